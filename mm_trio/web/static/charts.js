// Pictures over time. uPlot draws; what is drawn comes as columns of times (s) and values.

import { colour } from "./theme.js";
import { keep, make, setHidden, setText } from "./dom.js";
import { duration } from "./format.js";

/* global uPlot */

const HEIGHTS = { price: 260, earned: 250, held: 170 };
const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC");

const MINUS = "\u2212";

function axis(extra = {}) {
  return {
    stroke: colour("muted"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    font: `12px ${getComputedStyle(document.body).fontFamily}`,
    ...extra,
  };
}

/** Write the times of an axis as its steps want it: 14:03:05, 14:03, or 30 Nov. */
function writeTimes(_, times, __, ___, step) {
  return times.map((seconds) => {
    if (seconds === null) return null;
    const text = new Date(seconds * 1e3).toISOString();
    if (step >= 86400 || text.slice(11, 19) === "00:00:00") return `${text.slice(8, 10)} ${MONTHS[Number(text.slice(5, 7)) - 1]}`;
    return step < 60 ? text.slice(11, 19) : text.slice(11, 16);
  });
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function shorten(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value.toLocaleString("en", { maximumFractionDigits: size >= 1000 ? 1 : size >= 1 ? 3 : 6 }).replace("-", MINUS);
}

function line(label, name, extra = {}) {
  return { label, tone: name, shape: extra.dash ? "dashed" : "line", stroke: colour(name), width: 1.5, spanGaps: true, points: { show: false }, ...extra };
}

function steps(label, name, extra = {}) {
  return line(label, name, { paths: uPlot.paths.stepped({ align: 1 }), ...extra });
}

function dots(label, name) {
  return line(label, name, { shape: "dot", width: 0, paths: () => null, points: { show: true, size: 5, width: 0, fill: colour(name) } });
}

/** A picture that is made anew when its series change, and only fed otherwise. */
class Chart {
  constructor(element, kind, describe) {
    this.kind = kind;
    this.describe = describe;
    this.plot = null;
    this.last = null;
    this.picture = make("div", { role: "img" });
    this.legend = make("ul", { class: "legend" });
    element.append(this.picture, this.legend);
    new ResizeObserver(() => this.resize()).observe(element);
  }

  show(values) {
    this.last = values;
    const found = this.describe(values);
    this.series = found.series;
    this.picture.setAttribute("aria-label", found.words);
    if (found.data[0].length === 0) {
      this.plot?.destroy();
      this.plot = null;
      this.legend.replaceChildren();
      return;
    }
    if (this.plot === null) this.plot = new uPlot(this.options(found.series), found.data, this.picture);
    else this.plot.setData(found.data);
    this.plot.setScale("x", { min: values.from, max: values.until });
    this.write();
  }

  options(series) {
    return {
      width: this.width(),
      height: HEIGHTS[this.kind],
      tzDate: utc,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "time" }, points: { size: 6 }, drag: { x: false, y: false } },
      scales: { x: { time: true } },
      axes: [axis({ values: writeTimes, space: 70, size: 28, gap: 6 }), axis({ size: 56, values: (_, ticks) => ticks.map(shorten) })],
      series: [{}, ...series],
      hooks: { setCursor: [() => this.write()] },
    };
  }

  /** Write the values below the pointer, or the last ones. */
  write() {
    if (this.plot === null) return;
    const { idx } = this.plot.cursor;
    const { data } = this.plot;
    const rows = this.series.map((each, number) => [each, data[number + 1]]);
    keep(this.legend, [[null, null], ...rows], {
      key: ([each]) => each?.label ?? "time",
      create: ([each]) => make("li", {}, each === null ? "" : make("i", { class: each.shape }), make("span"), " ", make("b")),
      update: (item, [each, values]) => {
        const [label, value] = [...item.children].slice(-2);
        if (each === null) {
          setHidden(item, idx === null || idx === undefined);
          setText(label, "at");
          setText(value, idx === null || idx === undefined ? "" : new Date(data[0][idx] * 1e3).toISOString().slice(11, 19));
          return;
        }
        item.firstElementChild.style.color = `var(--${each.tone})`;
        setText(label, each.label);
        const shown = idx === null || idx === undefined ? last(values) : findHeld(values, idx, each.shape === "dot");
        setText(value, each.shape === "dot" && (idx === null || idx === undefined) ? "" : shorten(shown));
      },
    });
  }

  width() {
    return Math.max(200, this.picture.clientWidth);
  }

  resize() {
    if (this.plot !== null && this.plot.width !== this.width()) this.plot.setSize({ width: this.width(), height: HEIGHTS[this.kind] });
  }

  redraw() {
    this.plot?.destroy();
    this.plot = null;
    if (this.last !== null) this.show(this.last);
  }
}

/** Return what a line holds at a place: its value there, or the one before. */
function findHeld(values, idx, isPoint) {
  if (isPoint) return values[idx];
  for (let i = idx; i >= 0; i -= 1) {
    if (values[i] === null) return null;
    if (values[i] !== undefined) return values[i];
  }
  return null;
}

function last(values) {
  for (let i = values.length - 1; i >= 0; i -= 1) if (values[i] !== null && values[i] !== undefined) return values[i];
  return null;
}

function span(values) {
  return `${duration(values.until - values.from)} until ${new Date(values.until * 1e3).toISOString().slice(11, 19)} UTC`;
}

/** Let a line hold its last value until the end of the picture. */
function extend([times, values], until) {
  const end = last(values);
  return times.length && times.at(-1) < until && values.at(-1) !== null ? [[...times, until], [...values, end]] : [times, values];
}

export function makeCharts() {
  const element = (id) => document.getElementById(id);
  const price = new Chart(element("price-chart"), "price", (values) => {
    const boundary = extend(values.boundary, values.until);
    const mids = extend(values.mids, values.until);
    return {
      data: uPlot.join([mids, boundary, values.marks.buy, values.marks.sell]),
      series: [
        steps("mid", "muted", { width: 1 }),
        steps("boundary", "good"),
        dots("bought", "buy"),
        dots("sold", "sell"),
      ],
      words: `Price over ${span(values)}. Middle of the book: ${shorten(last(mids[1]))}. Boundary: ${shorten(last(boundary[1]))}. ${values.marks.buy[0].length} marks of purchases, ${values.marks.sell[0].length} of sales.`,
    };
  });
  const earned = new Chart(element("earned-chart"), "earned", (values) => {
    const { "against holding": whole, realised, open, fees } = values.earned;
    return {
      data: uPlot.join([whole, realised, open, fees]),
      series: [
        line("against holding", "ink", { width: 2 }),
        line("realised", "good"),
        line("open", "buy", { dash: [6, 4] }),
        line("fees", "sell", { dash: [2, 3] }),
      ],
      words: `Earned over ${span(values)}, in quote. Against holding: ${shorten(last(whole[1]))}; realised ${shorten(last(realised[1]))}, open ${shorten(last(open[1]))}, fees ${shorten(last(fees[1]))}.`,
    };
  });
  const held = new Chart(element("held-chart"), "held", (values) => {
    const base = extend(values.held.base, values.until);
    return {
      data: base,
      series: [steps("base, change in this span", "other")],
      words: `Change of the base held over ${span(values)}: ${shorten(last(base[1]))}.`,
    };
  });
  const all = [price, earned, held];
  return {
    show(past) {
      const values = { ...past, from: past.from_ms / 1e3, until: past.until_ms / 1e3 };
      for (const chart of all) chart.show(values);
    },
    redraw() {
      for (const chart of all) chart.redraw();
    },
  };
}
