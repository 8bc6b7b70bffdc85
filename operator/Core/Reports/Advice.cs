using System.Globalization;

namespace Bursar.Core.Reports;

/// <summary>What the numbers of one workload suggest, in a sentence that names them.</summary>
public static class Advice
{
    /// <summary>Less than this tells nothing.</summary>
    private static readonly TimeSpan EnoughMeasured = TimeSpan.FromMinutes(10);

    /// <summary>Below this part of its time a GPU that makes tokens is waiting: small batches, or long texts bound by input and output.</summary>
    private const double LowActivity = 0.20;

    /// <summary>Null: nothing to say.</summary>
    public static string? Of(ReportRow row)
    {
        var done = row.Done;
        if (done.Activity is not { } activity || TimeSpan.FromMilliseconds(done.Usage.MeasuredMs) < EnoughMeasured || activity >= LowActivity) return null;
        var tokens = done.Tokens.Both;
        var hours = TimeSpan.FromMilliseconds(done.Usage.MeasuredMs).TotalHours;
        var seen = string.Create(CultureInfo.InvariantCulture, $"its GPUs worked {activity * 100:0.#} % of {hours:0.#} measured GPU-hours; the rest cost {done.Idle.ToShortString()}");
        return tokens > 0
            ? $"{seen}, while it made {tokens.ToString("N0", CultureInfo.InvariantCulture)} tokens: turn on dynamic batching, or serve it from fewer GPUs"
            : $"{seen}: feed it faster, or give it fewer GPUs";
    }
}
