using Bursar.Core.Forecast;

namespace Bursar.Tests.Simulation;

/// <summary>One simulated run of a training job, step by step, and its reports on the way.</summary>
public sealed class ForecastRun
{
    public static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    private readonly double[] _doneAt;
    private readonly long _firstStep;
    private readonly double _begunAt;
    private readonly List<(double SeenAt, ProgressPoint Point)> _reports;

    private ForecastRun(double[] doneAt, long firstStep, double begunAt, List<(double, ProgressPoint)> reports) =>
        (_doneAt, _firstStep, _begunAt, _reports) = (doneAt, firstStep, begunAt, reports);

    /// <summary>The known facts when a share of this run's steps is done, the time, and the actual remaining duration.</summary>
    public (JobFacts Facts, DateTimeOffset Now, double Truth) At(double share)
    {
        var now = _doneAt[Math.Max(0, (int)(_doneAt.Length * share) - 1)];
        var series = ProgressSeries.Empty;
        foreach (var (seenAt, point) in _reports)
            if (seenAt <= now)
                series = series.With(point);
        var facts = new JobFacts
        {
            Progress = series,
            RunningSince = Start.AddSeconds(_begunAt),
            CheckpointStep = _firstStep,
        };
        return (facts, Start.AddSeconds(now), _doneAt[^1] - now);
    }

    /// <param name="steps">How many steps it makes.</param>
    /// <param name="secondsOf">The time each of them takes, pauses before it included.</param>
    /// <param name="telling">The way it reports.</param>
    public static ForecastRun Run(long steps, Func<long, double> secondsOf, Reporting telling, Random random) =>
        Again(0, steps, 0, secondsOf, telling, random, []);

    /// <summary>A run that fails after some steps and begins again at its last checkpoint.</summary>
    public static ForecastRun Restarted(
        long steps,
        long failsAt,
        long checkpoint,
        double gap,
        Func<long, double> secondsOf,
        Reporting telling,
        Random random
    )
    {
        var first = Again(0, failsAt, 0, secondsOf, telling, random, [], steps);
        return Again(checkpoint, steps, first._doneAt[^1] + gap, secondsOf, telling, random, first._reports);
    }

    private static ForecastRun Again(
        long from,
        long to,
        double begunAt,
        Func<long, double> secondsOf,
        Reporting telling,
        Random random,
        List<(double, ProgressPoint)> before,
        long? total = null
    )
    {
        var doneAt = new double[to - from];
        var at = begunAt;
        for (var i = 0; i < doneAt.Length; i++)
            doneAt[i] = at += secondsOf(i);
        List<(double SeenAt, ProgressPoint Point)> reports = [.. before];
        var done = 0;
        for (
            var time = begunAt + telling.Every * random.NextDouble();
            time < at;
            time += telling.Every * (1 + telling.Lumps * (2 * random.NextDouble() - 1))
        )
        {
            while (done < doneAt.Length && doneAt[done] <= time)
                done++;
            if (random.NextDouble() < telling.Lost)
                continue;
            // A late report has the time at which it was received, because no earlier one is known.
            var heard = Math.Round(time + telling.Late * random.NextDouble(), 3);
            if (reports.Count == 0 || heard > reports[^1].SeenAt)
                reports.Add((heard, new(Start.AddSeconds(heard), from + done, total ?? to)));
        }
        return new(doneAt, from, begunAt, reports);
    }

    public sealed record Reporting(double Every)
    {
        /// <summary>The deviation of the time between two reports, as a share.</summary>
        public double Lumps { get; init; }

        public double Lost { get; init; }

        /// <summary>Seconds a report may take.</summary>
        public double Late { get; init; }
    }
}
