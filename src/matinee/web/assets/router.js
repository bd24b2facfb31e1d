// Not seen: the component through which addresses are opened.

export function mount({ trigger }) {
  window.matinee.ready(trigger);
}
