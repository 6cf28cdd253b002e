// A day of @nktkas/hyperliquid on a sandbox: its access on the command line, what was seen as JSON on the last line.
const { ExchangeClient, HttpTransport, InfoClient, SubscriptionClient, WebSocketTransport } = require("@nktkas/hyperliquid");
const { SymbolConverter } = require("@nktkas/hyperliquid/utils");
const { privateKeyToAccount } = require("viem/accounts");
const WebSocket = require("ws");
const { levels, until } = require("./seen.cjs");

const access = JSON.parse(process.argv[2]);
const user = access.accounts[0].account;
const transport = new HttpTransport({ isTestnet: true, apiUrl: access.url });
const info = new InfoClient({ transport });
const [maker, taker] = access.accounts.map((each) => {
  return new ExchangeClient({ transport, wallet: privateKeyToAccount(each.private_key) });
});
const order = (asset, isBuy, price, size, tif) => {
  return { a: asset, b: isBuy, p: price, s: size, r: false, t: { limit: { tif } } };
};

// Questions with which pages and bots on this client begin.
async function askAtStart() {
  const ofUser = ["isVip", "legalCheck", "portfolio", "referral", "subAccounts2", "userFees", "userRateLimit", "extraAgents"];
  const ofAll = ["maxMarketOrderNtls", "outcomeMeta", "allPerpMetas", "exchangeStatus", "perpDexs", "predictedFundings"];
  for (const name of ofUser) await info[name]({ user });
  for (const name of ofAll) await info[name]();
  return { preTransferCheck: await info.preTransferCheck({ user: access.accounts[1].account, source: user }) };
}

async function refusalOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error.message;
  }
  return null;
}

async function main() {
  const seen = { ...(await askAtStart()) };
  const names = await SymbolConverter.create({ transport });
  const asset = names.getAssetId("HYPE/USDC");
  const [meta, contexts] = await info.spotMetaAndAssetCtxs();
  const coin = names.getSpotPairId("HYPE/USDC");
  seen.market = { asset, decimals: names.getSzDecimals("HYPE/USDC"), price: contexts.find((row) => row.coin === coin).midPx };
  seen.tokenId = meta.tokens.find((row) => row.name === "HYPE").tokenId;

  const url = `${access.url.replace("http", "ws")}/ws`;
  const feeds = new WebSocketTransport({ isTestnet: true, url, reconnect: { WebSocket } });
  const subscriptions = new SubscriptionClient({ transport: feeds });
  const told = { contexts: 0, statuses: [], fills: [] };
  await subscriptions.spotAssetCtxs((rows) => (told.contexts = rows.length));
  await subscriptions.assetCtxs(() => {});
  await subscriptions.orderUpdates({ user }, (rows) => told.statuses.push(...rows.map((row) => row.status)));
  await subscriptions.userFills({ user }, (data) => told.fills.push(...data.fills));

  const placed = await maker.order({ orders: [order(asset, true, "19.5", "1.5", "Alo")], grouping: "na" });
  seen.rested = levels(await info.openOrders({ user }));
  await maker.modify({ oid: placed.response.data.statuses[0].resting.oid, order: order(asset, true, "19.6", "2", "Alo") });
  seen.modified = levels(await info.openOrders({ user }));
  const taken = await taker.order({ orders: [order(asset, false, "19.6", "1", "FrontendMarket")], grouping: "na" });
  const { totalSz, avgPx } = taken.response.data.statuses[0].filled;
  seen.taken = [avgPx, totalSz];
  seen.fills = levels(await info.userFills({ user }));
  seen.balance = (await info.spotClearinghouseState({ user })).balances.find((row) => row.coin === "HYPE").total;
  const [{ oid }] = await info.openOrders({ user });
  await maker.cancel({ cancels: [{ a: asset, o: oid }] });
  seen.cancelled = levels(await info.openOrders({ user }));
  seen.refused = await refusalOf(maker.cancel({ cancels: [{ a: asset, o: oid }] }));
  seen.unsupported = await refusalOf(maker.setReferrer({ code: "STRANGER" }));
  await until(() => told.fills.length && told.statuses.includes("canceled") && told.contexts);
  await feeds.close();
  console.log(JSON.stringify({ ...seen, feed: levels(told.fills), statuses: told.statuses, contexts: told.contexts }));
}

main();
