// Placeholder until the server can trace packets.
export const showTrace = () => "";
export const showRules = () => "";
