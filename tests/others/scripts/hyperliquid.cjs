// A day of the package hyperliquid on a sandbox: its access on the command line, what was seen as JSON on the last line.
//
// The addresses of the venue are constants in it, so every client that it opens is turned to another address.
const axios = require("axios");
const { levels, until } = require("./seen.cjs");

const access = JSON.parse(process.argv[2]);
const create = axios.create;
axios.create = (options) => create({ ...options, baseURL: access.url });
console.log = () => {}; // It tells of its socket there.

const { Hyperliquid } = require("hyperliquid");
const coin = "HYPE-SPOT";
const user = access.accounts[0].account;

function open(number, enableWs) {
  const { account, private_key: privateKey } = access.accounts[number];
  const client = new Hyperliquid({ testnet: true, enableWs, privateKey, walletAddress: account });
  if (enableWs) client.ws.url = `${access.url.replace("http", "ws")}/ws`;
  return client;
}

function order(isBuy, price, size, tif) {
  return { coin, is_buy: isBuy, sz: size, limit_px: price, order_type: { limit: { tif } }, reduce_only: false };
}

async function main() {
  const [maker, taker] = [open(0, true), open(1, false)];
  await maker.connect();
  const [meta, contexts] = await maker.info.spot.getSpotMetaAndAssetCtxs(true);
  const token = meta.tokens.find((row) => row.name === "HYPE");
  const asset = await maker.symbolConversion.getAssetIndex(coin);
  const price = contexts.find((row) => row.coin === "@107").midPx;
  const seen = { market: { asset, decimals: token.szDecimals, price } };

  const told = { statuses: [], fills: [] };
  await maker.subscriptions.subscribeToOrderUpdates(user, (rows) => told.statuses.push(...rows.map((row) => row.status)));
  await maker.subscriptions.subscribeToUserFills(user, (data) => told.fills.push(...data.fills));

  const placed = await maker.exchange.placeOrder(order(true, "19.5", "1.5", "Alo"));
  seen.rested = levels(await maker.info.getUserOpenOrders(user, true));
  await maker.exchange.modifyOrder(placed.response.data.statuses[0].resting.oid, order(true, "19.6", "2", "Alo"));
  seen.modified = levels(await maker.info.getUserOpenOrders(user, true));
  const taken = await taker.exchange.placeOrder(order(false, "19.6", "1", "Ioc"));
  const { totalSz, avgPx } = taken.response.data.statuses[0].filled;
  seen.taken = [avgPx, totalSz];
  seen.fills = levels(await maker.info.getUserFills(user, true));
  const { balances } = await maker.info.spot.getSpotClearinghouseState(user, true);
  seen.balance = balances.find((row) => row.coin === "HYPE").total;
  const [{ oid }] = await maker.info.getUserOpenOrders(user, true);
  await maker.exchange.cancelOrder({ coin, o: oid });
  seen.cancelled = levels(await maker.info.getUserOpenOrders(user, true));
  const again = await maker.exchange.cancelOrder({ coin, o: oid });
  seen.refused = again.response.data.statuses[0].error;
  await until(() => told.fills.length && told.statuses.includes("canceled"));
  process.stdout.write(`${JSON.stringify({ ...seen, feed: levels(told.fills), statuses: told.statuses })}\n`);
  process.exit(0); // Its timers would go on.
}

main();
