"""What the Dashboard looks like: one column on a narrow screen, two where there is room.

Every pair of colours has the contrast that WCAG 2.2 asks for at level AA, in light and in dark: 4.5
for text, 3 for the edges of controls. Nothing is said by colour alone.
"""

from typing import Final

from atjwt.issuer.page_frame import PALETTE

STYLE: Final = f"""{PALETTE}
a {{ color: var(--main); }}
:focus-visible {{ outline: 3px solid var(--main); outline-offset: 2px; border-radius: .125rem; }}
main:focus, .summary:focus {{ outline: none; }}
.skip {{ position: absolute; left: -99rem; }}
.skip:focus {{ left: 1rem; top: .5rem; padding: .5rem 1rem; background: var(--paper); }}
.unseen {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }}
header {{ display: flex; flex-wrap: wrap; gap: .25rem 2rem; align-items: baseline;
  padding: .75rem max(1rem, calc(50vw - 36rem)); background: var(--paper);
  border-bottom: 1px solid var(--line); }}
header p {{ color: var(--note); font-size: .875rem; }}
header strong {{ color: var(--ink); font-size: 1rem; }}
nav {{ display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }}
header nav a, .callers a {{ padding: .375rem 0; text-decoration: none; }}
nav a:hover {{ text-decoration: underline; }}
nav a[aria-current] {{ color: var(--ink); font-weight: 600;
  box-shadow: inset 0 -3px var(--main); }}
main {{ max-width: 74rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }}
h1 {{ margin: 0 0 .25rem; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }}
h2 {{ margin: 0 0 .75rem; font-size: 1.125rem; line-height: 1.3; }}
h3 {{ margin: 1.25rem 0 .375rem; font-size: 1rem; }}
form > h3:first-of-type {{ margin-top: 0; margin-bottom: .75rem; }}
.lead {{ margin-bottom: 1.25rem; color: var(--soft); overflow-wrap: anywhere; }}
.after {{ margin-top: 1rem; }}
.part {{ margin-top: 2rem; }}
.card, .notice, .summary {{ padding: 1.25rem; border: 1px solid var(--line); border-radius: .625rem;
  background: var(--paper); overflow-wrap: anywhere; }}
.notice, .summary {{ margin: 1rem 0; padding: .75rem 1.25rem; border-left: .375rem solid var(--good);
  font-weight: 600; }}
.summary {{ border-color: var(--bad); font-weight: 400; }}
.summary h2 {{ margin: 0 0 .25rem; }}
.summary a, .problem {{ color: var(--bad); }}
.problem {{ margin-bottom: .25rem; font-size: .875rem; }}
.narrow {{ max-width: 40rem; }}
.grid {{ display: grid; gap: 1.25rem; grid-template-columns: minmax(0, 1fr); margin-top: 1.25rem; }}
@media (min-width: 62rem) {{
  .grid {{ grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); align-items: start; }}
  .grid.api {{ grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); grid-template-rows: auto 1fr; }}
  .grid.api > .sample {{ grid-column: 2; grid-row: 1 / span 2; }} }}
fieldset {{ min-width: 0; margin: 0 0 1.25rem; padding: 0; border: 0; }}
legend {{ padding: 0; }}
legend, label {{ font-weight: 600; }}
.field {{ margin-bottom: 1.25rem; }}
.field > label {{ display: block; }}
.tick {{ display: flex; gap: .75rem; margin-top: .75rem; }}
.tick input {{ flex: none; width: 1.5rem; height: 1.5rem; margin: 0;
  accent-color: var(--main); }}
input[type=text], select, textarea {{ display: block; width: 100%; margin-top: .25rem;
  padding: .5rem .625rem; border: 1px solid var(--edge); border-radius: .375rem;
  background: var(--paper); color: inherit; font: inherit; }}
input[aria-invalid], select[aria-invalid] {{ border: 2px solid var(--bad); }}
textarea {{ min-height: 9rem; font: .8125rem/1.45 ui-monospace, monospace; resize: vertical;
  word-break: break-all; }}
textarea.short {{ min-height: 6.5rem; }}
.pair {{ display: grid; gap: 0 1rem; align-items: end;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 13rem), 1fr)); }}
.buttons td:last-child {{ width: 1%; padding-right: 0; white-space: nowrap; }}
.differences th {{ white-space: nowrap; font-size: .875rem; }}
button, .button {{ display: inline-block; padding: .5rem 1.25rem; border: 1px solid var(--main);
  border-radius: .375rem; background: transparent; color: var(--main); font: inherit;
  font-weight: 600; text-decoration: none; cursor: pointer; }}
button.main, .button.main {{ background: var(--main); color: var(--on-main); }}
button:hover, .button:hover {{ text-decoration: underline; }}
button.small {{ padding: .125rem .625rem; font-size: .875rem; }}
button.risky {{ border-color: var(--bad); color: var(--bad); }}
.actions {{ display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }}
.actions > .soft {{ flex: 1 1 14rem; }}
.callers {{ gap: .25rem 1rem; margin-bottom: 1rem; font-size: .875rem; }}
pre {{ margin: 0; padding: .75rem; border: 1px solid var(--line); border-radius: .375rem;
  background: var(--ground); white-space: pre-wrap; overflow-wrap: anywhere; }}
pre, pre code {{ font: .8125rem/1.6 ui-monospace, monospace; }}
mark {{ padding: .125rem 0; border-radius: .125rem; background: var(--mark); color: var(--ink); }}
.sign {{ font-weight: 700; user-select: none; }}
table {{ width: 100%; border-collapse: collapse; }}
th, td {{ padding: .625rem .75rem .625rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: baseline; overflow-wrap: anywhere; }}
thead th {{ color: var(--soft); font-size: .875rem; white-space: nowrap; }}
tbody tr:last-child > * {{ border-bottom: 0; }}
.badge {{ display: inline-block; padding: 0 .5rem; border: 1px solid var(--edge);
  border-radius: 1rem; font-size: .8125rem; white-space: nowrap; }}
.badge.on {{ border-color: var(--note); color: var(--note); font-weight: 600; }}
dl {{ margin: 0; }}
dt {{ color: var(--soft); font-size: .875rem; }}
dd {{ margin: 0 0 .75rem; }}
@media (max-width: 46rem) {{
  .stacks, .stacks tbody, .stacks tr, .stacks td, .stacks th[scope=row] {{ display: block; }}
  .stacks thead {{ position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }}
  .stacks tr {{ padding: .75rem 0; border-bottom: 1px solid var(--line); }}
  .stacks tr:last-child {{ border-bottom: 0; }}
  .stacks tr > * {{ padding: .125rem 0; border: 0; }}
  .stacks td[data-label]::before {{ content: attr(data-label) ": "; color: var(--soft);
    font-size: .875rem; }} }}
"""
