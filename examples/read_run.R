# Reads the CSV files of a run of seqsci and draws, for one series, counts with the carrying capacity K and the fan of forecasts, and phi
# against the number of trend terms.
#
#   seqsci fit --config ecology/lynx
#   Rscript examples/read_run.R runs/ecology-lynx-001 [series]
#
# Base R only. Counts are drawn on a logarithmic axis.

arguments <- commandArgs(trailingOnly = TRUE)
run <- if (length(arguments) > 0) arguments[1] else "runs/ecology-lynx-001"
read_table <- function(name) read.csv(file.path(run, name), stringsAsFactors = FALSE)

parameters <- read_table("parameters.csv")
print(parameters[, c("name", "value", "standard_error", "low", "high", "unit", "flag")])

states <- read_table("states.csv")
forecast <- read_table("forecast.csv")
series <- if (length(arguments) > 1) arguments[2] else forecast$series_id[1]
forecast <- forecast[forecast$series_id == series, ]
if ("series_id" %in% names(states)) states <- states[states$series_id == series, ]  # only where there are several series

year <- states$ds
count <- exp(states$log_count)
capacity <- exp(states$smoothed_log_capacity)
low <- exp(states$smoothed_log_capacity - 1.96 * states$smoothed_log_capacity_sd)
high <- exp(states$smoothed_log_capacity + 1.96 * states$smoothed_log_capacity_sd)

pdf(file.path(run, "run.pdf"), width = 9, height = 9)
par(mfrow = c(2, 1))
plot(
  range(year, forecast$year), range(count, forecast$low80, forecast$high80, na.rm = TRUE),
  type = "n", log = "y", xlab = "year", ylab = "count", main = series
)
band <- function(x, low, high, colour) polygon(c(x, rev(x)), c(low, rev(high)), col = colour, border = NA)
band(year, low, high, "#dde8d8")
lines(year, capacity, col = "#3a7d2c", lwd = 2)  # K in hindsight, estimates taken as known
lines(year, exp(states$filtered_signal), col = "#8a8f98")  # the population as it was known once the year was counted
band(forecast$year, forecast$low80, forecast$high80, "#d6e2f0")
band(forecast$year, forecast$low50, forecast$high50, "#a9c4e4")
lines(forecast$year, forecast$median, col = "#1f4e8c", lwd = 2)
lines(year, count)
points(year, count, pch = 20)
abline(h = forecast$threshold[1], lty = 3)  # quasi-extinction
cat(sprintf("quasi-extinction within %d years: %.3f\n", max(forecast$step), max(forecast$quasi_extinction)))

if (file.exists(file.path(run, "flexibility.csv"))) {
  along <- read_table("flexibility.csv")
  plot(
    along$terms, along$dependence, ylim = c(-0.5, 1), pch = 20,
    xlab = "trend terms of log K", ylab = "phi, with 95 % interval", main = read_table("verdict.csv")$name
  )
  segments(along$terms, along$low, along$terms, along$high)
}
invisible(dev.off())
