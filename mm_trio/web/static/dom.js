// Elements, made and kept. What did not change is not touched, so neither focus nor a screen reader is disturbed.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setTitle(element, text) {
  if (text === null || text === undefined) element.removeAttribute("title");
  else if (element.title !== text) element.title = text;
}

export function setClass(element, text) {
  if (element.getAttribute("class") !== text) element.setAttribute("class", text);
}

export function setHidden(element, isHidden) {
  if (element.hidden !== isHidden) element.hidden = isHidden;
}

/**
 * Make the children of `parent` those of `items`, in their order. Each has a key; `create` makes a child that
 * `update(child, item)` then fills, and a child whose key is there already is kept.
 */
export function keep(parent, items, { key, create, update }) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = before.get(name);
    if (child === undefined) {
      child = create(item);
      child.dataset.key = name;
    } else {
      before.delete(name);
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of before.values()) child.remove();
}

/** Make a row with so many cells; the classes of the cells come as a list, `th` makes the first one a header. */
export function makeRow(classes, { header = false } = {}) {
  const row = make("tr");
  classes.forEach((name, number) => {
    row.append(make(header && number === 0 ? "th" : "td", { class: name || null, scope: header && number === 0 ? "row" : null }));
  });
  return row;
}
