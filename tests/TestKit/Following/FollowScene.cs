using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Sandbox.Nodes;

namespace Bursar.Tests.TestKit.Following;

/// <summary>The common inputs of all autoscalers of a comparison: requests, servers, triggers, bounds.</summary>
public sealed record FollowScene
{
    public static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The step of time.</summary>
    public static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest termination of a server whose requests do not end sooner.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    public required IReadOnlyList<ServedRequest> Requests { get; init; }

    /// <summary>The duration in which GPUs are counted.</summary>
    public TimeSpan Length { get; init; } = TimeSpan.FromHours(1);

    /// <summary>
    /// One GPU with a model so large that its cache has room for eight requests: 267 tokens a second at most. The trace's 1,200 tokens a
    /// second need five of them.
    /// </summary>
    public ServiceModel Model { get; init; } =
        new()
        {
            Slots = 8,
            PrefillTokensPerSecond = 8000,
            BetweenTokens = TimeSpan.FromMilliseconds(30),
        };

    /// <summary>The time from a replica's start to its readiness, in which weights are read.</summary>
    public TimeSpan Loading { get; init; } = TimeSpan.FromSeconds(45);

    public HourlyCost Price { get; init; } = HourlyCost.FromDecimal(2.5m);

    /// <summary>Generated tokens a second and waiting requests, each for one replica.</summary>
    public double Tokens { get; init; } = 200;

    public double Waiting { get; init; } = 2;

    public int Min { get; init; } = 1;

    public int Max { get; init; } = 12;

    public ScalingBehavior Behavior { get; init; } = ScalingBehavior.Default;

    public IReadOnlyList<TriggerTerms> Triggers =>
        [
            new()
            {
                Name = "tokens",
                Type = TriggerType.Tokens,
                Target = Tokens,
            },
            new()
            {
                Name = "queue",
                Type = TriggerType.Queue,
                Target = Waiting,
            },
        ];
}

/// <summary>The results of one run.</summary>
public sealed record FollowFigures
{
    public required string Autoscaler { get; init; }

    public required int Requests { get; init; }

    public required int Unanswered { get; init; }

    /// <summary>First token after more than a second.</summary>
    public required int LateFirst { get; init; }

    /// <summary>Late requests after the first five minutes, in which an autoscaler that starts with one replica is late anyway.</summary>
    public required int LateFirstLater { get; init; }

    /// <summary>Last token after more than twenty seconds.</summary>
    public required int LateEnd { get; init; }

    public required TimeSpan FirstToken95 { get; init; }

    public required TimeSpan FirstToken99 { get; init; }

    public required double GpuHours { get; init; }

    public required Amount Cost { get; init; }

    public required int Ups { get; init; }

    public required int Downs { get; init; }

    /// <summary>Replicas asked for at most.</summary>
    public required int Peak { get; init; }

    /// <summary>The delay of each scale-up, from the moment since which more replicas were needed without a break.</summary>
    public required IReadOnlyList<TimeSpan> ToScale { get; init; }

    public TimeSpan? MiddleToScale => ToScale.Count == 0 ? null : ToScale.Order().ElementAt(ToScale.Count / 2);

    /// <summary>Several runs of one autoscaler as one: their means, and all calls.</summary>
    public static FollowFigures MeanOf(IReadOnlyList<FollowFigures> runs) =>
        runs[0] with
        {
            Unanswered = Mean(runs, run => run.Unanswered),
            LateFirst = Mean(runs, run => run.LateFirst),
            LateFirstLater = Mean(runs, run => run.LateFirstLater),
            LateEnd = Mean(runs, run => run.LateEnd),
            FirstToken95 = TimeSpan.FromTicks((long)runs.Average(run => run.FirstToken95.Ticks)),
            FirstToken99 = TimeSpan.FromTicks((long)runs.Average(run => run.FirstToken99.Ticks)),
            GpuHours = runs.Average(run => run.GpuHours),
            Cost = runs.Aggregate(Amount.Zero, (sum, run) => sum + run.Cost).Split(Enumerable.Repeat(1L, runs.Count).ToArray())[0],
            Ups = Mean(runs, run => run.Ups),
            Downs = Mean(runs, run => run.Downs),
            Peak = runs.Max(run => run.Peak),
            ToScale = [.. runs.SelectMany(run => run.ToScale)],
        };

    private static int Mean(IReadOnlyList<FollowFigures> runs, Func<FollowFigures, int> figure) =>
        (int)Math.Round(runs.Average(figure), MidpointRounding.AwayFromZero);
}
