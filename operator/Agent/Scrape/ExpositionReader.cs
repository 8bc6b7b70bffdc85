using System.Text;
using Bursar.Core.Text;

namespace Bursar.Agent.Scrape;

/// <summary>
/// Pure: how far a training pod's page says that it is. A line of another metric that cannot be read is skipped and counted. A page is
/// refused when a line of one of the three metrics cannot be read, or its value is no count: the slowest rank might be missing.
/// </summary>
public static class ExpositionReader
{
    /// <summary>Beyond this a double no longer tells one from the next.</summary>
    private const double MaxCount = 9007199254740992;

    private static readonly long LatestSecond = new DateTimeOffset(9999, 1, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds();

    public static ScrapeResult ReadProgress(ReadOnlySpan<byte> page, ScrapeOptions options)
    {
        byte[] stepName = Encoding.UTF8.GetBytes(options.StepMetric);
        byte[] totalName = Encoding.UTF8.GetBytes(options.TotalMetric);
        byte[] checkpointName = Encoding.UTF8.GetBytes(options.CheckpointMetric);
        long? step = null,
            total = null;
        DateTimeOffset? checkpoint = null;
        string? wrong = null;
        PrometheusReadResult result;
        try
        {
            result = PrometheusText.ReadPage(
                page,
                (in PrometheusLine line) =>
                {
                    if (line.NameIs(stepName))
                    {
                        if (Count(line, ref wrong) is { } value)
                            step = Math.Min(step ?? long.MaxValue, value);
                    }
                    else if (line.NameIs(totalName))
                    {
                        if (Count(line, ref wrong) is { } value)
                            total = Math.Max(total ?? 0, value);
                    }
                    else if (line.NameIs(checkpointName) && Count(line, ref wrong) is { } second && second > 0 && second < LatestSecond)
                    {
                        // Of several ranks the oldest: a checkpoint is whole when the last one has written.
                        var at = DateTimeOffset.FromUnixTimeSeconds(second);
                        checkpoint = checkpoint is null || at < checkpoint ? at : checkpoint;
                    }
                },
                name =>
                {
                    if (name.SequenceEqual(stepName) || name.SequenceEqual(totalName) || name.SequenceEqual(checkpointName))
                        wrong = $"a line of {Encoding.UTF8.GetString(name)} cannot be read";
                }
            );
        }
        catch (PrometheusFormatException exception)
        {
            return new ScrapeResult(ScrapeOutcome.Malformed, exception.Message);
        }
        if (wrong is not null)
            return new ScrapeResult(ScrapeOutcome.Malformed, wrong) { SkippedLines = result.Refused };
        return step is { } done
            ? new ScrapeResult(ScrapeOutcome.Ok)
            {
                Progress = new TrainingProgress(done, total > 0 ? total : null, checkpoint),
                SkippedLines = result.Refused,
            }
            : new ScrapeResult(ScrapeOutcome.Nothing, $"no {options.StepMetric} on the page") { SkippedLines = result.Refused };
    }

    private static long? Count(in PrometheusLine line, ref string? wrong)
    {
        if (Count(line.Value) is { } count)
            return count;
        wrong = $"line {line.LineNumber}: {Encoding.UTF8.GetString(line.Name)} is not a count";
        return null;
    }

    /// <summary>The whole count that a sample tells; null where it is none.</summary>
    internal static long? Count(double value) => value is >= 0 and <= MaxCount ? (long)value : null;
}
