using System.Globalization;
using System.Text;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Reports;
using Bursar.Core.Text;

namespace Bursar.Operator.Commands;

/// <summary>Formats a report as a table and as CSV (RFC 4180).</summary>
internal static class ReportText
{
    private const string Unallocated = "(unallocated)";
    private const string NodeLost = "(node lost)";

    /// <summary>Longer than the interval of a running operator's writes.</summary>
    private static readonly TimeSpan Late = TimeSpan.FromMinutes(5);

    public static string Table(CostReport report, string? ns, string currency, DateTimeOffset now, Func<GpuModel, GpuHourPrice?> rateOf)
    {
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture,
            $"{ns ?? "The cluster"}, {Rfc3339.Format(report.From)} to {Rfc3339.Format(report.To)}, in {currency}\n"
        );
        text.Append(AsOf(report.AsOf, now)).Append('\n');
        var costs = Rounded(report);
        var rows = new List<string[]> { Heads(report.By) };
        for (var i = 0; i < report.Rows.Count; i++)
            rows.Add(Cells(report.By, report.Rows[i], costs[i]));
        var blank = KeysOf(report.By).Length - 1;
        foreach (var (name, cost) in Rest(report).Zip(costs.Skip(report.Rows.Count)))
            rows.Add([name, .. Enumerable.Repeat("", blank), cost]);
        rows.Add(["total", .. Enumerable.Repeat("", blank), report.Total.ToString()]);
        RowText.Align(text, rows, KeysOf(report.By).Length);

        var unpriced = report.Rows.Aggregate((Int128)0, (sum, row) => sum + row.UnpricedGpuMs);
        if (unpriced > 0)
            text.Append(CultureInfo.InvariantCulture, $"\n{Hours(unpriced)} GPU-hours have no price and are not in these sums.\n");
        if (report.Rows.Any(row => row.WholeDays.Usage.MeasuredMs > 0 && row.WholeDays.ReservedGpuMs != row.ReservedGpuMs))
            text.Append("\nCOST and GPU-HOURS cover the interval; the columns to their right cover the whole UTC days that it touches.\n");
        if (report.By == ReportBy.Workload)
        {
            var advice = report.Rows.SelectMany(row => Advice.For(row, rateOf).Select(sentence => (row, sentence))).ToArray();
            if (advice.Length > 0)
                text.Append("\nAdvice\n");
            foreach (var (row, sentence) in advice)
                text.Append(CultureInfo.InvariantCulture, $"  {row.Namespace} {row.Kind}/{row.Workload}: {sentence}.\n");
        }
        return text.ToString();
    }

    public static string Csv(CostReport report, string currency)
    {
        var text = new StringBuilder();
        string[] measures =
        [
            "days_cost",
            "days_gpu_hours",
            "measured_ratio",
            "busy_gpu_hours",
            "idle_cost",
            "energy_kwh",
            "prompt_tokens",
            "cached_prompt_tokens",
            "generated_tokens",
            "requests",
            "steps",
            "cost_per_gpu_hour",
            "cost_per_1000_tokens",
            "cost_per_1000_prompt_tokens",
            "cost_per_1000_generated_tokens",
            "cost_per_request",
            "cost_per_step",
            "joules_per_token",
        ];
        var asOf = report.AsOf is { } at ? Rfc3339.Format(at) : "";
        Line([
            .. KeysOf(report.By).Select(k => k.ToLowerInvariant()),
            "cost",
            "currency",
            "gpu_hours",
            "unpriced_gpu_hours",
            .. measures,
            "as_of",
        ]);
        var costs = Rounded(report);
        for (var i = 0; i < report.Rows.Count; i++)
        {
            var row = report.Rows[i];
            Line([
                .. Keys(report.By, row),
                costs[i],
                currency,
                Hours(row.ReservedGpuMs),
                Hours(row.UnpricedGpuMs),
                .. Measures(row.WholeDays),
                asOf,
            ]);
        }
        var blank = KeysOf(report.By).Length - 1;
        foreach (var (name, cost) in Rest(report).Zip(costs.Skip(report.Rows.Count)))
            Line([name, .. Enumerable.Repeat("", blank), cost, currency, "", "", .. measures.Select(_ => ""), asOf]);
        return text.ToString();

        void Line(IEnumerable<string> cells) => RowText.AppendCsv(text, cells);
    }

    /// <summary>
    /// Returns a line with the time up to which the stored ledger is complete, and a warning if the operator has not written for a while.
    /// Empty for a ledger of an older version.
    /// </summary>
    internal static string AsOf(DateTimeOffset? asOf, DateTimeOffset now) =>
        asOf is not { } at ? ""
        : now - at < Late ? $"The ledger is complete up to {Rfc3339.Format(at)}.\n"
        : $"The ledger is complete up to {Rfc3339.Format(at)}: the operator has written nothing for {(long)(now - at).TotalHours} h {(now - at).Minutes} min. Work after that is not in these sums.\n";

    private static string[] Measures(WholeDayUsage days)
    {
        var (usage, tokens) = (days.Usage, days.Tokens);
        return
        [
            days.Spent.ToString(),
            Hours(days.ReservedGpuMs),
            Number(days.Measured, "0.####"),
            Hours(usage.BusyMs),
            days.Idle.ToString(),
            Number(usage.EnergyMj / 3.6e9, "0.######"),
            Count(tokens.Prompt),
            Count(tokens.Cached),
            Count(tokens.Generated),
            Count(tokens.Requests),
            days.Training is { } training ? Count(training.Steps) : "",
            Unit(UnitCosts.PerGpuHour(days)),
            Unit(UnitCosts.PerThousandTokens(days)),
            Unit(UnitCosts.PerThousandPrompt(days)),
            Unit(UnitCosts.PerThousandGenerated(days)),
            Unit(UnitCosts.PerRequest(days)),
            Unit(UnitCosts.PerStep(days)),
            UnitCosts.JoulesPerToken(days) is { } joules ? Number(joules, "0.######") : "",
        ];
    }

    private static string[] KeysOf(ReportBy by) =>
        by switch
        {
            ReportBy.Day => ["DAY", "NAMESPACE"],
            ReportBy.Workload => ["NAMESPACE", "KIND", "WORKLOAD"],
            ReportBy.Model => ["NAMESPACE", "MODEL"],
            _ => ["NAMESPACE"],
        };

    private static string[] Keys(ReportBy by, ReportRow row) =>
        by switch
        {
            ReportBy.Day => [row.Day, row.Namespace],
            ReportBy.Workload => [row.Namespace, row.Kind, row.Workload],
            ReportBy.Model => [row.Namespace, row.Model.Length > 0 ? row.Model : "(none)"],
            _ => [row.Namespace],
        };

    private static string[] Heads(ReportBy by) =>
        [
            .. KeysOf(by),
            "COST",
            "GPU-HOURS",
            "MEASURED",
            "ACTIVITY",
            "IDLE-COST",
            "KWH",
            "TOKENS",
            "PER-1K-TOKENS",
            "PER-REQUEST",
            .. by == ReportBy.Workload ? ["PER-STEP"] : Array.Empty<string>(),
        ];

    private static string[] Cells(ReportBy by, ReportRow row, string cost)
    {
        var days = row.WholeDays;
        return
        [
            .. Keys(by, row),
            cost,
            Hours(row.ReservedGpuMs),
            Number(days.Measured * 100, "0") + "%",
            days.Activity is { } activity ? Number(activity * 100, "0") + "%" : "",
            days.Usage.MeasuredMs > 0 ? days.Idle.ToString() : "",
            days.Usage.EnergyMj > 0 ? Number(days.Usage.EnergyMj / 3.6e9, "0.###") : "",
            days.Tokens.Both > 0 ? Count(days.Tokens.Both) : "",
            Unit(UnitCosts.PerThousandTokens(days)),
            Unit(UnitCosts.PerRequest(days)),
            .. by == ReportBy.Workload ? [Unit(UnitCosts.PerStep(days))] : Array.Empty<string>(),
        ];
    }

    private static IEnumerable<string> Rest(CostReport report) => report.Unallocated is null ? [] : [Unallocated, NodeLost];

    /// <summary>Returns the displayed costs, rounded so that they add up to the rounded total.</summary>
    private static List<string> Rounded(CostReport report)
    {
        var shown = new List<string>();
        var (sum, before) = (Amount.Zero, Amount.Zero);
        foreach (
            var cost in report
                .Rows.Select(row => row.Spent)
                .Concat(report.Unallocated is { } unallocated ? [unallocated, report.NodeLost!.Value] : [])
        )
        {
            sum += cost;
            Amount.TryParse(sum.ToString(), out var rounded);
            shown.Add((rounded - before).ToString());
            before = rounded;
        }
        return shown;
    }

    private static string Unit(Amount? cost) => cost?.ToString(9) ?? "";

    private static string Hours(Int128 milliseconds) => Number((double)milliseconds / 3_600_000, "0.####");

    private static string Count(long count) => count.ToString(CultureInfo.InvariantCulture);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
