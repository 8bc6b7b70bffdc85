using Bursar.Core.Forecast;

namespace Bursar.Tests.TestKit.Sweeps;

/// <summary>The parameters of a sweep. Times are in seconds.</summary>
/// <param name="Completions">Pieces of the Job.</param>
/// <param name="Parallelism">Pieces that run at the same time.</param>
/// <param name="Median">The median time of a piece, which is log-normal.</param>
/// <param name="Sigma">The standard deviation of its logarithm; zero for equal pieces.</param>
public sealed record SweepPlan(int Completions, int Parallelism, double Median, double Sigma)
{
    /// <summary>The chance that an attempt at an index fails, after any share of its time.</summary>
    public double Fails { get; init; }

    /// <summary>backoffLimitPerIndex.</summary>
    public int Retries { get; init; } = 1;

    /// <summary>The number of times the Job is suspended for a while.</summary>
    public int Suspensions { get; init; }

    /// <summary>The number of times its user changes the parallelism: a third of them to zero for a while, the others up or down.</summary>
    public int Resizes { get; init; }

    /// <summary>The cluster deletes pods when they end, and the ledger has them not.</summary>
    public bool LosesPods { get; init; }

    public static SweepPlan Any(Random random) =>
        new(
            1 + random.Next(500),
            1 + random.Next(50),
            60 * Math.Pow(180, random.NextDouble()),
            random.Next(5) == 0 ? 0 : random.NextDouble()
        )
        {
            Fails = random.Next(2) == 0 ? 0 : random.NextDouble() * 0.3,
            Retries = random.Next(3),
            Suspensions = random.Next(4),
            Resizes = random.Next(4),
        };
}

/// <summary>
/// The true course of a sweep, known to its end: an Indexed Job with one GPU for each pod. As Kubernetes does, its pods are deleted
/// when it is suspended, and the youngest of them when its parallelism is lowered.
/// </summary>
public sealed class SweepRun
{
    public static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    private readonly List<Attempt> _attempts = [];
    private readonly List<(double From, double To)> _suspended = [];
    private readonly List<(double From, int Pods)> _parallelism = [];

    public SweepRun(SweepPlan plan, Random random)
    {
        Plan = plan;
        var failures = new int[plan.Completions];
        var waits = new SortedSet<int>(Enumerable.Range(0, plan.Completions));
        var running = new PriorityQueue<Attempt, double>();
        var rough = (plan.Completions + plan.Parallelism - 1) / plan.Parallelism * plan.Median * Math.Exp(plan.Sigma * plan.Sigma / 2);
        var stops = Enumerable.Range(0, plan.Suspensions).Select(_ => rough * random.NextDouble()).ToArray();
        var changes = new Queue<(double At, int? Parallelism)>(
            stops.Select(at => (At: at, Parallelism: (int?)null)).Concat(Resizes(plan, rough, random).ToArray()).OrderBy(one => one.At)
        );
        double now = 0;
        _parallelism.Add((0, plan.Parallelism));
        while (true)
        {
            while (running.Count < _parallelism[^1].Pods && waits.Count > 0)
            {
                var index = waits.Min;
                waits.Remove(index);
                var time = plan.Median * Math.Exp(plan.Sigma * Normal(random));
                var fails = random.NextDouble() < plan.Fails;
                var one = new Attempt(index, now, now + Math.Max(1, fails ? time * random.NextDouble() : time)) { Succeeds = !fails };
                running.Enqueue(one, one.To);
            }
            if (running.Count == 0 && waits.Count == 0)
                break;
            if (changes.TryPeek(out var change) && (running.Count == 0 || change.At < running.Peek().To))
            {
                changes.Dequeue();
                if (change.At < now && change.Parallelism is null)
                    continue;
                now = Math.Max(now, change.At);
                if (change.Parallelism is { } size)
                    _parallelism.Add((now, size));
                // Pods that run are deleted, and their pieces begin again.
                var live = running.UnorderedItems.Select(one => one.Element).OrderBy(one => one.From).ToArray();
                foreach (var one in live.Skip(change.Parallelism ?? 0))
                {
                    _attempts.Add(one with { To = now, IsDeleted = true });
                    waits.Add(one.Index);
                }
                running.Clear();
                foreach (var one in live.Take(change.Parallelism ?? 0))
                    running.Enqueue(one, one.To);
                if (change.Parallelism is not null)
                    continue;
                var stop = now;
                now = stop + 60 + random.NextDouble() * plan.Median * 3;
                _suspended.Add((stop, now));
                continue;
            }
            var next = running.Dequeue();
            now = next.To;
            _attempts.Add(next);
            if (next.Succeeds)
                continue;
            if (++failures[next.Index] <= plan.Retries)
                waits.Add(next.Index);
        }
        End = now;
    }

    public SweepPlan Plan { get; }

    /// <summary>Seconds from its start to its end, suspensions included.</summary>
    public double End { get; }

    /// <summary>GPU-seconds in all.</summary>
    public double Work => Spent(End);

    /// <summary>The moments at which a pod begins or ends.</summary>
    public IEnumerable<double> Moments => _attempts.SelectMany(one => (double[])[one.From, one.To]).Distinct().Order();

    public double Spent(double at) => _attempts.Sum(one => Math.Max(0, Math.Min(one.To, at) - one.From));

    public int MostParallel => _parallelism.Max(one => one.Pods);

    public int ParallelismAt(double at) => _parallelism.Last(one => one.From <= at).Pods;

    public bool IsSuspended(double at) => _suspended.Any(one => one.From <= at && at < one.To);

    /// <summary>The first moment at which a share of its GPU time is spent.</summary>
    public double When(double share)
    {
        var (low, high) = (0.0, End);
        for (var i = 0; i < 40; i++)
        {
            var middle = (low + high) / 2;
            if (Spent(middle) < share * Work)
                low = middle;
            else
                high = middle;
        }
        return high;
    }

    /// <summary>The cluster's view of the sweep at a moment.</summary>
    public JobFacts FactsAt(double at)
    {
        List<TimeSpan> finished = [],
            inFlight = [];
        var ended = 0;
        foreach (var piece in _attempts.Where(one => one.From <= at && !(one.IsDeleted && one.To <= at)).GroupBy(one => one.Index))
        {
            var over = piece.Where(one => one.To <= at).ToArray();
            var attempts = TimeSpan.FromSeconds(over.Sum(one => one.To - one.From));
            if (piece.FirstOrDefault(one => one.To > at) is { } live)
                inFlight.Add(attempts + TimeSpan.FromSeconds(at - live.From));
            else if (over.Any(one => one.Succeeds) || over.Length > Plan.Retries)
            {
                finished.Add(attempts);
                ended++;
            }
        }
        var pieces = new Pieces
        {
            Total = Plan.Completions,
            AtOnce = ParallelismAt(at),
            Ended = ended,
            Finished = Plan.LosesPods ? [] : finished,
            InFlight = inFlight,
            GpuTime = Plan.LosesPods && ended > 0 ? GpuTimeHeld(at) : null,
        };
        return new()
        {
            Pieces = [pieces],
            Gpus = pieces.Slots,
            RunningSince = inFlight.Count > 0 ? Start : null,
        };
    }

    private TimeSpan GpuTimeHeld(double at)
    {
        double held = 0,
            covered = 0;
        foreach (var one in _attempts.OrderBy(one => one.From))
        {
            var (from, to) = (Math.Max(one.From, covered), Math.Min(one.To, at));
            if (to <= from)
                continue;
            held += to - from;
            covered = to;
        }
        return TimeSpan.FromSeconds(held);
    }

    private static IEnumerable<(double At, int? Parallelism)> Resizes(SweepPlan plan, double rough, Random random)
    {
        for (var i = 0; i < plan.Resizes; i++)
        {
            var at = rough * random.NextDouble();
            if (random.Next(3) == 0)
                yield return (at, 0);
            yield return (at + 60 + random.NextDouble() * plan.Median * 3, 1 + random.Next(50));
        }
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private sealed record Attempt(int Index, double From, double To)
    {
        public bool Succeeds { get; init; }

        public bool IsDeleted { get; init; }
    }
}
