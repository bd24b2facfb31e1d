// Not seen: the component through which addresses are opened.

import "./matinee.js"; // it may come later than this component

export function mount({ trigger }) {
  window.matinee.ready(trigger);
}
