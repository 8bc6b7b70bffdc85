using System.Globalization;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Xunit.Abstractions;

namespace Bursar.Tests.Simulation;

/// <summary>
/// The errors of the estimates by the progress of a run, over seeded runs of every known shape. It prints the error and fails when it
/// grows; docs/concepts/forecasts.md shows the table.
/// </summary>
public sealed class EstimateErrors(ITestOutputHelper output)
{
    private const int Runs = 200;
    private static readonly double[] Shares = [0.10, 0.25, 0.50, 0.75];

    /// <summary>
    /// Every family with the largest median and 90th percentile of the error half-way, and how often the interval must contain the actual
    /// duration.
    /// </summary>
    public static TheoryData<string, double, double, double> Families =>
        new()
        {
            { "steady", 0.01, 0.02, 0.97 },
            { "warm-up", 0.03, 0.05, 0.97 },
            { "stragglers", 0.09, 0.40, 0.65 },
            { "checkpoint pauses", 0.03, 0.22, 0.90 },
            { "drifts up", 0.09, 0.20, 0.75 },
            { "drifts down", 0.11, 0.20, 0.90 },
            { "restarted", 0.03, 0.23, 0.75 },
            { "late and lumpy", 0.02, 0.08, 0.95 },
        };

    [Theory]
    [MemberData(nameof(Families))]
    public void Estimate_error_by_progress_is_bounded(string family, double median, double p90, double held)
    {
        var half = Print(family, Enumerable.Range(0, Runs).Select(seed => Any(family, new Random(seed * 31 + 7))));
        half.Median.Should().BeLessThan(median, "half-way, the median error");
        half.P90.Should().BeLessThan(p90, "half-way, nine of ten errors");
        half.Held.Should().BeGreaterThan(held, "half-way, how often the interval contained the actual duration");
    }

    [Fact]
    public void Estimate_error_on_runs_as_scattered_as_a_clusters_is_bounded()
    {
        var durations = TraceRuns.Durations();
        var half = Print("trace", durations.Where((_, i) => i % 8 == 0).Select((seconds, i) => AsLongAs(seconds, new Random(i))));
        half.Median.Should().BeLessThan(0.03);
        half.P90.Should().BeLessThan(0.20);
        half.Held.Should().BeGreaterThan(0.90);
    }

    /// <summary>The request's shape is a poor series: what is printed is the worst that a series can be taken for.</summary>
    [Fact]
    public void Estimate_from_earlier_runs_of_one_shape_is_rarely_settled()
    {
        var seen = new List<(Estimate Estimate, double Truth)>();
        foreach (var shape in TraceRuns.Tasks().GroupBy(task => task.Shape))
        {
            var runs = shape.Select(task => task.Seconds).ToArray();
            for (var i = 3; i < runs.Length; i++)
                seen.Add(
                    (
                        Estimator.AfterResume(
                            new()
                            {
                                EarlierRuns =
                                [
                                    .. runs[Math.Max(0, i - OperatorState.KeptRuns)..i]
                                        .Select(s => new EarlierRun(TimeSpan.FromSeconds(s))),
                                ],
                            }
                        ),
                        runs[i]
                    )
                );
        }
        var errors = seen.Select(s => Math.Abs(s.Estimate.Likely.TotalSeconds - s.Truth) / s.Truth).Order().ToArray();
        var settled = seen.Where(s => s.Estimate.Settled).ToArray();
        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"series by shape: {seen.Count} runs, error median {At(errors, 0.5):P0}, p90 {At(errors, 0.9):P0}, held {Coverage([.. seen]):P0}, settled {settled.Length}, of those held {Coverage(settled):P0}"
            )
        );
        Coverage([.. seen]).Should().BeGreaterThan(0.6);
        settled.Length.Should().BeLessThan(seen.Count / 5, "what scatters like this must not be acted upon");
    }

    private (double Median, double P90, double Held) Print(string family, IEnumerable<ForecastRun> runs)
    {
        var all = runs.ToArray();
        (double, double, double) half = default;
        foreach (var share in Shares)
        {
            var seen = all.Select(run => run.At(share)).Select(at => (Estimate: Estimator.Remaining(at.Facts, at.Now), at.Truth)).ToArray();
            var known = seen.Where(s => s.Estimate.IsKnown).ToArray();
            var errors = known.Select(s => Math.Abs(s.Estimate.Likely.TotalSeconds - s.Truth) / s.Truth).Order().ToArray();
            var settled = known.Where(s => s.Estimate.Settled).ToArray();
            var line = (Median: At(errors, 0.5), P90: At(errors, 0.9), Held: Coverage(known));
            if (share == 0.50)
                half = line;
            output.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{family, -18} {share, 4:P0}  error median {line.Median, 6:P1}  p90 {line.P90, 6:P1}  held {line.Held, 4:P0}  width {At([.. known.Select(s => (s.Estimate.High - s.Estimate.Low) / s.Estimate.Likely).Order()], 0.5), 5:P0}  settled {(double)settled.Length / all.Length, 4:P0}  held then {Coverage(settled), 4:P0}  unknown {all.Length - known.Length}/{all.Length}"
                )
            );
        }
        return half;
    }

    private static double Coverage((Estimate Estimate, double Truth)[] seen) =>
        seen.Length == 0
            ? 0
            : seen.Count(s => s.Estimate.Low.TotalSeconds <= s.Truth + 0.5 && s.Truth <= s.Estimate.High.TotalSeconds + 0.5)
                / (double)seen.Length;

    private static double At(double[] sorted, double quantile) =>
        sorted.Length == 0 ? double.NaN : sorted[(int)((sorted.Length - 1) * quantile)];

    private static ForecastRun Any(string family, Random random)
    {
        // Durations between 20 minutes and 33 hours, reported every 10 to 60 seconds.
        var length = 1_200 * Math.Pow(100, random.NextDouble());
        var steps = (long)(1_000 * Math.Pow(20, random.NextDouble()));
        var step = length / steps;
        var telling = new ForecastRun.Reporting(10 + random.NextDouble() * 50) { Lumps = 0.1 };
        double Jitter() => step * (1 + 0.15 * (2 * random.NextDouble() - 1));
        var warmUp = 30 + random.NextDouble() * 570;
        switch (family)
        {
            case "steady":
                return ForecastRun.Run(steps, _ => Jitter(), telling, random);
            case "warm-up":
                return ForecastRun.Run(steps, i => (i == 0 ? warmUp : 0) + Jitter() * (i < steps / 50 ? 1.5 : 1), telling, random);
            case "stragglers":
                // A gang of eight goes as fast as its slowest rank; each is slowed down now and then, for minutes.
                var slowUntil = new double[8];
                var factor = new double[8];
                var clock = 0.0;
                return ForecastRun.Run(
                    steps,
                    _ =>
                    {
                        var slowest = 1.0;
                        for (var rank = 0; rank < 8; rank++)
                        {
                            if (clock > slowUntil[rank] && random.NextDouble() < step / 7_200)
                                (slowUntil[rank], factor[rank]) = (clock + 60 + random.NextDouble() * 600, 1.2 + random.NextDouble());
                            if (clock < slowUntil[rank])
                                slowest = Math.Max(slowest, factor[rank]);
                        }
                        var seconds = Jitter() * slowest;
                        clock += seconds;
                        return seconds;
                    },
                    telling,
                    random
                );
            case "checkpoint pauses":
                var (every, pause) = Checkpoints(steps, step, random);
                return ForecastRun.Run(
                    steps,
                    i => Jitter() + (i > 0 && i % every == 0 ? pause * (0.8 + 0.4 * random.NextDouble()) : 0),
                    telling,
                    random
                );
            case "drifts up":
                var up = 0.2 + random.NextDouble() * 0.8;
                return ForecastRun.Run(steps, i => Jitter() * (1 + up * i / steps), telling, random);
            case "drifts down":
                var down = 0.2 + random.NextDouble() * 0.4;
                return ForecastRun.Run(steps, i => Jitter() * (1 - down * i / steps), telling, random);
            case "restarted":
                var (saves, takes) = Checkpoints(steps, step, random);
                var failsAt = (long)(steps * (0.1 + 0.6 * random.NextDouble()));
                return ForecastRun.Restarted(
                    steps,
                    failsAt,
                    failsAt / saves * saves,
                    60 + random.NextDouble() * 3_600,
                    i => (i == 0 ? warmUp / 2 : 0) + Jitter() + (i > 0 && i % saves == 0 ? takes : 0),
                    telling,
                    random
                );
            case "late and lumpy":
                return ForecastRun.Run(steps, _ => Jitter(), telling with { Lumps = 0.9, Lost = 0.3, Late = 40 }, random);
            default:
                throw new ArgumentOutOfRangeException(nameof(family));
        }
    }

    /// <summary>A run of a length that a real task had, in a shape of ours: warm-up, checkpoints, a gang's noise, late reports.</summary>
    private static ForecastRun AsLongAs(double seconds, Random random)
    {
        var steps = (long)(500 * Math.Pow(20, random.NextDouble()));
        var warmUp = Math.Min(seconds / 10, 20 + random.NextDouble() * 200);
        var step = (seconds - warmUp) / steps;
        var (every, pause) = Checkpoints(steps, step, random);
        if (random.Next(2) == 0)
            pause = 0;
        return ForecastRun.Run(
            steps,
            i => (i == 0 ? warmUp : 0) + step * (1 + 0.3 * (2 * random.NextDouble() - 1)) + (i > 0 && i % every == 0 ? pause : 0),
            new(10 + random.NextDouble() * 50)
            {
                Lumps = 0.3,
                Lost = 0.1,
                Late = 5,
            },
            random
        );
    }

    /// <summary>Every 3 to 45 minutes a pause of 2 to 25 % of that time.</summary>
    private static (long Every, double Pause) Checkpoints(long steps, double step, Random random)
    {
        var between = 180 + random.NextDouble() * 2_520;
        var every = Math.Max(1, Math.Min(steps / 4, (long)(between / step)));
        return (every, every * step * (0.02 + 0.23 * random.NextDouble()));
    }
}
