// What the scripts of Node share.

// Side, price and size of orders or fills.
const levels = (rows) => rows.map((row) => [row.side, row.limitPx ?? row.px, row.sz]);

// Wait until something was seen; the process fails where it never is.
async function until(hasSeen) {
  for (let waited = 0; !hasSeen(); waited += 20) {
    if (waited > 20_000) throw new Error("never seen");
    await new Promise((done) => setTimeout(done, 20));
  }
}

module.exports = { levels, until };
