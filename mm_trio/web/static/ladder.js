// The ladder as a table with bars, and the depth of both sides as a picture.

import { draw, find, keep, make, makeRow, setClass, setHidden, setText, setTitle } from "./dom.js";
import { plain, plural, round } from "./format.js";
import { STATUSES } from "./words.js";

const SHOWN_A_SIDE = 12;
let showsAll = false;

function makeBar() {
  return draw("svg", { viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("rect", { class: "wanted", y: 1, height: 10, width: 0 }), draw("rect", { class: "resting", y: 1, height: 10, width: 0 }));
}

function makeLevel() {
  const row = makeRow(["n", "n", "n", "bars"]);
  row.lastElementChild.append(makeBar(), make("span", { class: "hidden" }));
  return row;
}

function updateLevel(row, [level, price, resting, wanted, status], side, size) {
  const [first, second, third, last] = row.children;
  row.dataset.level = level;
  row.dataset.price = price;
  row.dataset.size = resting;
  row.dataset.status = status;
  setClass(row, status === "free" ? "free" : side);
  setText(first, String(level));
  setText(second, plain(price));
  setText(third, Number(resting) ? plain(resting) : status === "free" ? "" : "–");
  const word = STATUSES[status] ?? status;
  setTitle(last, word ? `${word}; wanted ${plain(wanted)}` : null);
  setText(last.lastElementChild, word);
  const [target, now] = last.firstElementChild.children;
  const share = (amount) => String(Math.min(100, (100 * Number(amount)) / size));
  now.setAttribute("width", share(resting));
  target.setAttribute("width", share(wanted));
  const tone = status === "in doubt" ? "warn" : side === "sell" ? "sell" : "buy";
  now.style.fill = `var(--${tone})`;
  target.style.fill = `var(--${side === "sell" ? "sell" : "buy"}-soft)`;
}

function fillSide(body, rows, side, size) {
  const shown = showsAll ? rows : rows.slice(0, SHOWN_A_SIDE);
  // Asks come from the boundary upwards, and the highest price is on top.
  keep(body, side === "sell" ? [...shown].reverse() : shown, {
    key: (row) => row[0],
    create: makeLevel,
    update: (element, row) => updateLevel(element, row, side, size),
  });
}

export function showLadder(grid) {
  const size = Number(grid.order_size);
  fillSide(find("asks"), grid.asks, "sell", size);
  fillSide(find("bids"), grid.bids, "buy", size);
  const { asks, bids } = grid.sides;
  setText(find("boundary-words"), grid.boundary_price === null ? "" : `boundary ${plain(grid.boundary_price)}`);
  setText(find("ladder-note"), grid.boundary_price === null
    ? "Nothing is quoted yet."
    : `${plural(asks.orders, "ask")} above, ${plural(bids.orders, "bid")} below; a full order is ${plain(grid.order_size)} ${grid.inventory.base_name}.`);
  const button = find("all-levels");
  const most = Math.max(grid.asks.length, grid.bids.length);
  setHidden(button, most <= SHOWN_A_SIDE);
  setText(button, showsAll ? `Show ${SHOWN_A_SIDE} levels a side` : `Show all ${most} levels a side`);
  button.setAttribute("aria-pressed", String(showsAll));
}

export function followLadder(again) {
  // The picture is as wide as its place, so that its letters keep their size.
  addEventListener("resize", again);
  find("all-levels").addEventListener("click", () => {
    showsAll = !showsAll;
    again();
  });
}

// --- Depth ---------------------------------------------------------------------------------------

const HEIGHT = 190;
const EDGE = { left: 8, right: 8, top: 14, bottom: 24 };

/** Sum up the resting sizes outwards: points of price, base and quote up to there. */
function sumUp(rows) {
  let base = 0;
  let quote = 0;
  return rows.filter((row) => Number(row[2])).map(([, price, resting]) => {
    base += Number(resting);
    quote += Number(resting) * Number(price);
    return [Number(price), base, quote];
  });
}

function makeArea(points, x, y, outer) {
  const steps = points.map(([price, base], number) => `L${x(price)},${y(number ? points[number - 1][1] : 0)}L${x(price)},${y(base)}`);
  return `M${x(points[0][0])},${y(0)}${steps.join("")}L${x(outer)},${y(points.at(-1)[1])}L${x(outer)},${y(0)}Z`;
}

export function showDepth(grid) {
  const element = find("depth-chart");
  const WIDTH = Math.max(200, element.clientWidth);
  const asks = sumUp(grid.asks);
  const bids = sumUp(grid.bids);
  const names = grid.inventory;
  const sum = (points, place, digits) => plain(round((points.at(-1)?.[place] ?? 0).toFixed(10), digits).replaceAll(",", ""));
  const told = (points, price) => `${sum(points, 1, grid.size_decimals)} ${names.base_name} ${price} for ${sum(points, 2, 2)} ${names.quote_name}`;
  const words = `${told(bids, "to be bought")}, ${told(asks, "to be sold")}.`;
  setText(find("depth-note"), asks.length || bids.length ? words : "No order of ours rests.");
  const all = [...asks, ...bids];
  if (!all.length) {
    element.replaceChildren();
    return;
  }
  const prices = all.map(([price]) => price);
  const margin = Math.max(1e-12, (Math.max(...prices) - Math.min(...prices)) * 0.04);
  const low = Math.min(...prices) - margin;
  const high = Math.max(...prices) + margin;
  const most = Math.max(...all.map(([, base]) => base));
  const x = (price) => (EDGE.left + ((price - low) / (high - low)) * (WIDTH - EDGE.left - EDGE.right)).toFixed(1);
  const y = (base) => (HEIGHT - EDGE.bottom - (base / most) * (HEIGHT - EDGE.top - EDGE.bottom)).toFixed(1);
  const parts = [];
  if (bids.length) parts.push(["buy", makeArea(bids, x, y, low)]);
  if (asks.length) parts.push(["sell", makeArea(asks, x, y, high)]);
  const areas = parts.map(([side, path]) => {
    const area = draw("path", { d: path });
    area.style.fill = `var(--${side}-soft)`;
    area.style.stroke = `var(--${side})`;
    return area;
  });
  const boundary = Number(grid.boundary_price);
  const middle = draw("line", { x1: x(boundary), x2: x(boundary), y1: EDGE.top - 8, y2: HEIGHT - EDGE.bottom, "stroke-dasharray": "3 3" });
  middle.style.stroke = "var(--muted)";
  const floor = draw("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: HEIGHT - EDGE.bottom, y2: HEIGHT - EDGE.bottom });
  floor.style.stroke = "var(--line)";
  const label = (at, text, anchor) => draw("text", { x: at, y: HEIGHT - 7, "text-anchor": anchor }, text);
  const digits = (price) => Number(price.toPrecision(5)).toString();
  element.replaceChildren(
    draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-labelledby": "depth-title depth-desc" },
      draw("title", { id: "depth-title" }, "Depth of our orders by price"),
      draw("desc", { id: "depth-desc" }, `Sizes summed up from the boundary outwards. ${words}`),
      ...areas, floor, middle,
      label(EDGE.left, digits(low + margin), "start"),
      label(x(boundary), `boundary ${plain(grid.boundary_price)}`, "middle"),
      label(WIDTH - EDGE.right, digits(high - margin), "end")));
}
