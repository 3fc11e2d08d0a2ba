/** The widget's looks. They live in its shadow root: the shop's styles cannot reach in, and these not out. */

export const STYLE = `
:host{all:initial;--paper:#fff;--ground:#f5f6f8;--ink:#1c2430;--soft:#5b6675;--line:#e3e7ec;--desk:#fff;
--good:#1a7f4b;--bad:#c02b2b;--warn:#fff4dc;--warn-ink:#6b4a00;color-scheme:light dark;
font:15px/1.5 system-ui,-apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
@media (prefers-color-scheme:dark){:host{--paper:#1b2029;--ground:#12161d;--ink:#eef1f5;--soft:#a3adbb;--line:#2e3643;
--desk:#262d38;--good:#5fd39a;--bad:#ff8a80;--warn:#3a2f14;--warn-ink:#ffdf9a}}
*,*::before,*::after{box-sizing:border-box}
[hidden]{display:none!important}
button,textarea,input{font:inherit;color:inherit}
button{border:0;background:none;padding:0;cursor:pointer;border-radius:8px}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
svg{width:1.25em;height:1.25em;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round;flex:none}
.launcher{position:fixed;inset-block-end:24px;inset-inline-end:24px;z-index:2147483000;width:60px;height:60px;border-radius:50%;
background:var(--accent);color:var(--on-accent);display:grid;place-items:center;font-size:22px;
box-shadow:0 2px 6px #0002,0 10px 28px #0003;transition:transform .15s}
.launcher:hover{transform:translateY(-2px)}
.launcher:focus-visible{outline-offset:4px}
.badge{position:absolute;top:-4px;inset-inline-end:-4px;min-width:22px;height:22px;padding:0 6px;border-radius:11px;
background:#c81e1e;color:#fff;font-size:12px;line-height:22px;font-weight:600;text-align:center;box-shadow:0 0 0 2px var(--paper)}
.panel{position:fixed;inset-block-end:100px;inset-inline-end:24px;z-index:2147483001;width:384px;height:min(640px,calc(100dvh - 124px));
display:flex;flex-direction:column;background:var(--ground);color:var(--ink);border-radius:18px;overflow:hidden;
box-shadow:0 4px 12px #0001,0 18px 56px #0004;overscroll-behavior:contain;animation:rise .18s ease-out}
@keyframes rise{from{opacity:0;transform:translateY(12px)}}
header{display:flex;align-items:center;gap:12px;padding:16px 12px 16px 18px;background:var(--accent);color:var(--on-accent)}
.face{width:40px;height:40px;border-radius:50%;display:grid;place-items:center;flex:none;font-weight:600;font-size:16px;
background:color-mix(in srgb,currentColor 18%,transparent)}
.who{flex:1;min-width:0}
.who h2{margin:0;font-size:16px;line-height:1.3;font-weight:650}
.who p{margin:1px 0 0;font-size:13px;line-height:1.35;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
header button{width:36px;height:36px;display:grid;place-items:center}
header button:hover{background:color-mix(in srgb,currentColor 16%,transparent)}
header :focus-visible{outline-color:currentColor;outline-offset:-2px}
.menu{position:absolute;top:64px;inset-inline-end:12px;z-index:2;min-width:180px;padding:6px;background:var(--paper);border-radius:12px;
box-shadow:0 8px 30px #0004;border:1px solid var(--line)}
.menu button{display:block;width:100%;padding:9px 12px;text-align:start}
.menu button:hover,.menu button:focus-visible{background:var(--ground)}
.banner{display:flex;gap:8px;align-items:center;justify-content:center;padding:8px 16px;font-size:13px;text-align:center;text-wrap:balance;
background:var(--warn);color:var(--warn-ink)}
.place{background:color-mix(in srgb,var(--accent) 12%,var(--paper));color:var(--ink);font-weight:600;border-block-end:1px solid var(--line)}
.log{flex:1;overflow-y:auto;overscroll-behavior:contain;padding:16px 14px 8px;display:flex;flex-direction:column;gap:4px;scroll-behavior:auto}
.line{align-self:center;max-width:88%;margin:10px 0 8px;font-size:12.5px;color:var(--soft);text-align:center;text-wrap:balance}
.split{align-self:stretch;max-width:none;display:flex;align-items:center;gap:10px}
.split::before,.split::after{content:"";flex:1;height:1px;background:var(--line)}
.row{display:flex;flex-direction:column;max-width:82%;align-items:flex-start;align-self:flex-start;margin-block-start:4px}
.row.mine{align-items:flex-end;align-self:flex-end}
.from{font-size:12px;color:var(--soft);margin:4px 4px 2px}
.bubble{border-radius:4px 16px 16px 16px;background:var(--desk);border:1px solid var(--line);overflow:hidden;max-width:100%}
.mine .bubble{border-radius:16px 4px 16px 16px;background:var(--accent);color:var(--on-accent);border-color:transparent}
.wait .bubble{opacity:.72}
.text{margin:0;padding:8px 13px;white-space:pre-wrap;overflow-wrap:anywhere}
.bubble a{color:inherit;text-underline-offset:2px}
.image{display:block;max-width:240px;max-height:240px;object-fit:cover}
.tile{display:flex;align-items:center;gap:10px;padding:10px 13px;text-decoration:none}
.tile .image{width:56px;height:56px;border-radius:8px}
.lines{display:flex;flex-direction:column;min-width:0;overflow-wrap:anywhere}
.lines b{font-weight:600}.lines small{font-size:12.5px;opacity:.85}
.meta{display:flex;align-items:center;gap:4px;font-size:11.5px;color:var(--soft);margin:2px 4px 4px;min-height:17px}
.meta svg{width:14px;height:14px}
.meta .bad{color:var(--bad);display:inline-flex;gap:4px;align-items:center}
.meta button{color:var(--bad);text-decoration:underline;text-underline-offset:2px;padding:0 3px}
.typing{display:flex;align-items:center;gap:8px;font-size:12.5px;color:var(--soft);padding:0 18px 8px}
.dots{display:inline-flex;gap:3px}
.dots i{width:6px;height:6px;border-radius:50%;background:currentColor;animation:beat 1.2s infinite}
.dots i:nth-child(2){animation-delay:.15s}.dots i:nth-child(3){animation-delay:.3s}
@keyframes beat{0%,60%,100%{opacity:.3}30%{opacity:1}}
.rate{margin:4px 14px 10px;padding:14px;background:var(--paper);border:1px solid var(--line);border-radius:14px;text-align:center}
.rate p{margin:0 0 6px;font-weight:600}
.stars{display:flex;justify-content:center;gap:2px}
.stars button{width:44px;height:40px;display:grid;place-items:center;font-size:22px;color:#8a93a0}
.stars button[aria-checked=true],.stars .on{color:#b86e00}
.stars .on svg{fill:currentColor}
@media (prefers-color-scheme:dark){.stars button[aria-checked=true],.stars .on{color:#ffbf47}}
.rate textarea{width:100%;margin-top:8px;padding:8px 10px;border:1px solid var(--line);border-radius:10px;background:var(--ground);resize:none}
.primary{background:var(--accent);color:var(--on-accent);padding:9px 18px;border-radius:10px;font-weight:600}
.rate .primary{margin-top:10px;width:100%}
.leave{margin:4px 14px 12px;padding:14px;background:var(--paper);border:1px solid var(--line);border-radius:14px;
flex:none;max-height:76%;overflow-y:auto;overscroll-behavior:contain}
.leave p{margin:2px 0 0;color:var(--soft);font-size:13.5px}
.leave b{font-weight:650}
.leave label{display:block;margin-top:10px;font-size:13px;font-weight:600}
.leave textarea,.leave input{display:block;width:100%;margin-top:3px;padding:8px 10px;border:1px solid #8a93a0;border-radius:10px;
background:var(--ground);resize:none;font-weight:400;font-size:15px}
.leave .doubt{margin-top:8px;color:var(--ink);background:var(--warn);color:var(--warn-ink);padding:8px 10px;border-radius:10px}
.leave .state{color:var(--ink);font-size:15px}
.leave .state.bad{color:var(--bad)}
.leave .primary{margin-top:12px;width:100%}
.primary:disabled{opacity:.6;cursor:default}
.over{padding:12px 14px;background:var(--paper);border-block-start:1px solid var(--line);display:grid}
.composer{background:var(--paper);border-block-start:1px solid var(--line);padding:10px 10px 10px 16px;display:flex;align-items:flex-end;gap:8px}
.composer textarea{flex:1;border:0;outline:0!important;background:none;resize:none;min-height:40px;max-height:140px;padding:9px 0;line-height:22px}
.composer:focus-within{box-shadow:inset 0 2px 0 var(--accent)}
textarea::placeholder{color:var(--soft);opacity:1}
.send{width:40px;height:40px;border-radius:50%;display:grid;place-items:center;background:var(--accent);color:var(--on-accent);flex:none}
.send:disabled{background:var(--line);color:var(--soft);cursor:default}
.count{padding:0 16px 6px;font-size:12px;color:var(--soft);background:var(--paper)}
.count.bad{color:var(--bad)}
.hint{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media (max-width:480px){.panel{inset:0;width:auto;height:var(--view,100dvh);top:var(--shift,0);border-radius:0;
padding-bottom:env(safe-area-inset-bottom)}
.panel:not([hidden])~.launcher{display:none}textarea,.leave input,.leave textarea{font-size:16px}}
@media (prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important}}
`;

/** Black or white, whichever reads better on the colour; `undefined` when it is no colour of the form #rrggbb. */
export function inkOn(color: string): string | undefined {
  const digits = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color);
  if (digits === null) return undefined;
  const [r, g, b] = digits.slice(1).map((pair) => linear(parseInt(pair, 16) / 255));
  const luminance = 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  // Contrast with white is 1.05/(l+.05), with black (l+.05)/.05 (WCAG 2.2); take the larger.
  return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 ? '#ffffff' : '#10151c';
}

function linear(part: number): number {
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}
