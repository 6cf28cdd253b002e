// Connection with the maker: events as they come, and what is said when they do not.

const STALE_AFTER_MS = 5000;
const AGAIN_AFTER_MS = 3000;
const HIDDEN_FOR_MS = 30000;

/**
 * Listen to a grid. `on` has `state(values)`, `log(lines)` and `link(what, heardMs)`, where `what` is "live", "stale",
 * "lost", "ended", "refused" or "full".
 */
export class Stream {
  constructor(on) {
    this.on = on;
    this.grid = null;
    this.source = null;
    this.heardMs = null;
    this.what = "lost";
    this.again = null;
    this.hidden = null;
    setInterval(() => this.look(), 1000);
    document.addEventListener("visibilitychange", () => this.heedVisibility());
  }

  open(grid) {
    this.grid = grid;
    this.connect();
  }

  connect() {
    this.close();
    const source = new EventSource(`/api/events${this.grid === null ? "" : `?grid=${encodeURIComponent(this.grid)}`}`);
    this.source = source;
    source.addEventListener("state", (event) => {
      this.heardMs = Date.now();
      this.tell("live");
      this.on.state(JSON.parse(event.data));
    });
    source.addEventListener("log", (event) => this.on.log(JSON.parse(event.data)));
    source.addEventListener("ended", () => {
      this.tell("ended");
      this.close();
      this.later();
    });
    source.onerror = () => {
      // The browser tries again by itself as long as it is not refused.
      if (source.readyState === EventSource.CLOSED) this.findWhy();
      else if (this.what !== "ended") this.tell("lost");
    };
  }

  /** An EventSource does not say why it was refused. */
  async findWhy() {
    this.close();
    try {
      const answer = await fetch(`/api/events${this.grid === null ? "" : `?grid=${encodeURIComponent(this.grid)}`}`, { method: "HEAD", cache: "no-store" });
      if (answer.status === 404 && this.grid !== null) this.grid = null;
      this.tell({ 401: "refused", 503: "full" }[answer.status] ?? "lost");
    } catch {
      if (this.what !== "ended") this.tell("lost");
    }
    this.later();
  }

  later() {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.findAgain(), AGAIN_AFTER_MS);
  }

  /** Ask first: a browser reports each connection that fails in its console. */
  async findAgain() {
    if (this.source !== null || document.hidden) return;
    try {
      const answer = await fetch("/api/events", { method: "HEAD", cache: "no-store" });
      if (answer.ok) {
        this.connect();
        return;
      }
      this.tell({ 401: "refused", 503: "full" }[answer.status] ?? "lost");
    } catch {
      // Nobody answers yet.
    }
    this.later();
  }

  close() {
    clearTimeout(this.again);
    this.source?.close();
    this.source = null;
  }

  look() {
    if (this.what === "live" && Date.now() - this.heardMs > STALE_AFTER_MS) this.tell("stale");
    else if (this.what !== "live") this.on.link(this.what, this.heardMs);
  }

  tell(what) {
    this.what = what;
    this.on.link(what, this.heardMs);
  }

  /** A browser has six connections for all its tabs; those that nobody sees give theirs back. */
  heedVisibility() {
    clearTimeout(this.hidden);
    if (document.hidden) {
      this.hidden = setTimeout(() => this.close(), HIDDEN_FOR_MS);
    } else if (this.source === null) {
      this.findAgain();
    }
  }
}
