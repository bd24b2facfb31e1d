// An invisible component that opens addresses.

import "./matinee.js"; // may be loaded later than this component

export function mount({ trigger }) {
  window.matinee.ready(trigger);
}
