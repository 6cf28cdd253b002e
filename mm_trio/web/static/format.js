// Numbers and times as text. Amounts come as strings of exact digits and are rounded as such: no float is in between.

const MINUS = "\u2212";

/** Round a decimal string to `places`, half away from zero, with thousands set apart; null stays null. */
export function round(text, places) {
  if (text === null || text === undefined) return null;
  const [, sign, whole, part = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(text)) ?? [];
  if (whole === undefined) return String(text);
  let digits = BigInt(whole + part.slice(0, places).padEnd(places, "0"));
  if ((part[places] ?? "0") >= "5") digits += 1n;
  const shown = digits.toString().padStart(places + 1, "0");
  const head = shown.slice(0, shown.length - places).replace(/\B(?=(\d{3})+$)/g, ",");
  const tail = places ? `.${shown.slice(-places)}` : "";
  return (sign && digits ? MINUS : "") + head + tail;
}

/** Write all digits of a decimal string, without zeros at its end; null becomes a dash. */
export function plain(text) {
  if (text === null || text === undefined) return "–";
  const short = String(text).includes(".") ? String(text).replace(/0+$/, "").replace(/\.$/, "") : String(text);
  const [whole, part] = short.replace("-", MINUS).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (part === undefined ? "" : `.${part}`);
}

/** Round to as many places as the size of the amount wants: 0.00123, 1.234, 1,234.5. */
export function money(text) {
  if (text === null || text === undefined) return null;
  const amount = Math.abs(Number(text));
  return round(text, amount >= 1000 ? 2 : amount >= 1 ? 3 : amount >= 0.01 || amount === 0 ? 4 : 6);
}

/** The same with a sign in front of gains too. */
export function signed(text) {
  const shown = money(text);
  return shown === null || shown.startsWith(MINUS) || Number(text) === 0 ? shown : `+${shown}`;
}

export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Clock of a moment, UTC; with the date where that is not today. */
export function clock(ms) {
  const text = new Date(ms).toISOString();
  return text.slice(0, 10) === new Date().toISOString().slice(0, 10) ? text.slice(11, 19) : `${text.slice(5, 10)} ${text.slice(11, 19)}`;
}

export function moment(ms) {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Length of time in the two largest units that matter. */
export function duration(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function percent(part) {
  return `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`;
}

export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}
