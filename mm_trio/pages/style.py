"""Style sheet of the page: light and dark, wide and narrow, screen and paper."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root{color-scheme:light dark;--page:#ffffff;--panel:#f5f7f9;--ink:#1f2933;--muted:#5f6b7a;--grid:#e3e7ec;
--buy:#1f6fb2;--sell:#c4570b;--good:#0b7a6b;--other:#7a4fa3;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--page:#14181f;--panel:#1b212b;--ink:#d9dee6;--muted:#98a3b3;--grid:#2b3440;
--buy:#6cb0ee;--sell:#f0995a;--good:#5fc4b3;--other:#c0a2ea;--bad:#ef8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","DejaVu Sans",sans-serif;-webkit-text-size-adjust:100%}
main,header,footer{max-width:960px;margin:0 auto;padding:0 20px}
header{padding-top:40px}
footer{padding-top:24px;padding-bottom:48px;color:var(--muted);font-size:14px}
h1{font-size:28px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:20px;line-height:1.3;margin:56px 0 4px;padding-top:16px;border-top:1px solid var(--grid)}
h3{font-size:16px;line-height:1.4;margin:28px 0 4px}
p{margin:8px 0 12px;max-width:72ch;overflow-wrap:anywhere}
.meta,.note{color:var(--muted);font-size:14px}
.words{font-size:18px;line-height:1.5;margin:24px 0}
.words p{margin:0 0 10px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:24px 0;padding:0;
list-style:none}
.cards li{background:var(--panel);border-radius:8px;padding:12px 14px;min-width:0}
.cards span{display:block;color:var(--muted);font-size:14px}
.cards b{display:block;font-size:20px;line-height:1.4;font-weight:600;font-variant-numeric:tabular-nums;
overflow-wrap:anywhere}
i.note{font-style:normal;font-weight:400}
.absent{background:var(--panel);border-left:4px solid var(--muted);border-radius:4px;padding:10px 14px;max-width:none}
nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:16px 0;padding:0;font-size:14px}
a{color:var(--buy)}
figure{margin:16px 0 20px}
figcaption ul{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;margin:0 0 4px;padding:0;font-size:14px;
color:var(--muted)}
figcaption i{display:inline-block;width:20px;height:0;border-top:3px solid;margin-right:7px;vertical-align:middle}
figcaption i.dashed{border-top-style:dashed}
figcaption i.dotted{border-top-style:dotted}
figcaption i.box{width:12px;height:12px;border:0;background:currentColor;border-radius:2px}
figcaption i.up,figcaption i.down{width:0;border:6px solid transparent;border-top-width:0;border-bottom:10px solid
currentColor}
figcaption i.down{border-bottom-width:0;border-bottom-color:transparent;border-top:10px solid currentColor}
svg{display:block;width:100%;height:auto;overflow:visible;font-family:inherit;stroke-linejoin:round}
svg text{font-variant-numeric:tabular-nums}
.narrow{display:none}
.scroll{overflow-x:auto;margin:8px 0 20px;-webkit-overflow-scrolling:touch}
.scroll:focus-visible{outline:2px solid var(--buy)}
table{border-collapse:collapse;font-size:14px;line-height:1.4;font-variant-numeric:tabular-nums;min-width:min(100%,420px)}
caption{text-align:left;color:var(--muted);padding:0 0 6px;max-width:calc(100vw - 32px)}
th,td{padding:6px 14px 6px 0;border-bottom:1px solid var(--grid);text-align:left;vertical-align:top;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--muted);font-weight:600}
tbody th{font-weight:400}
.number{text-align:right}
.text{white-space:normal;min-width:12em;overflow-wrap:anywhere}
tr.total th,tr.total td{font-weight:600;border-bottom-color:var(--muted)}
@media (max-width:640px){main,header,footer{padding-left:16px;padding-right:16px}header{padding-top:24px}
h1{font-size:24px}.words{font-size:16px}.cards{grid-template-columns:repeat(2,1fr)}.wide{display:none}
.narrow{display:block}}
@media print{:root{--page:#fff;--panel:#f5f7f9;--ink:#1f2933;--muted:#5f6b7a;--grid:#e3e7ec;--buy:#1f6fb2;
--sell:#c4570b;--good:#0b7a6b;--other:#7a4fa3}body{font-size:11pt}nav{display:none}
h2{break-after:avoid}figure,tr{break-inside:avoid}.scroll{overflow:visible}.wide{display:block}.narrow{display:none}}
"""
