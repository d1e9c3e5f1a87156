// Runs before the page is painted, so that a chosen theme does not flash; see src/shell/useTheme.ts.
try {
  const theme = localStorage.getItem("tidewire.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden: the system's theme it is.
}
