using System.Globalization;

namespace Bursar.Tests.TestKit.Following;

/// <summary>All autoscalers over the same requests, side by side.</summary>
public static class FollowTable
{
    public const string Bursar = "Bursar";
    public const string Keda = "KEDA and HPA, Prometheus";
    public const string KedaWithoutDelay = "KEDA and HPA, no scrape delay";
    public const string Fixed = "fixed at Bursar's peak";

    /// <summary>
    /// The target of tokens and the stabilization window for scaling down with which Bursar takes no more GPU-hours than KEDA does at
    /// <see cref="FollowScene.Tokens"/>: figures of each second follow a rise at once, so replicas need not be kept for five minutes.
    /// </summary>
    public const double ThriftyTokens = 220;

    public const int ThriftyWindowSeconds = 150;

    /// <summary>The replicas that the costCap of one row affords.</summary>
    public const int CapReplicas = 6;

    private static readonly TimeSpan[] Phases = [.. new[] { 1, 6, 11 }.Select(seconds => TimeSpan.FromSeconds(seconds))];

    public static string Capped { get; } = $"Bursar, costCap of {CapReplicas} replicas";

    public static string Thrifty { get; } = $"Bursar, {ThriftyTokens} tokens/s, down after {ThriftyWindowSeconds} s";

    /// <summary>The yardstick comes last: as many replicas as Bursar's own peak, all the time.</summary>
    public static IReadOnlyList<FollowFigures> Play(FollowScene scene)
    {
        var bursar = FollowRun.Play(scene, new BursarAutoscaler(Bursar, scene));
        var thrifty = scene with
        {
            Tokens = ThriftyTokens,
            Behavior = scene.Behavior with { Down = scene.Behavior.Down with { StabilizationWindowSeconds = ThriftyWindowSeconds } },
        };
        return
        [
            bursar,
            PlayKeda(scene, Keda, TimeSpan.FromSeconds(15)),
            PlayKeda(scene, KedaWithoutDelay, scraping: null),
            FollowRun.Play(thrifty, new BursarAutoscaler(Thrifty, thrifty)),
            FollowRun.Play(scene, new BursarAutoscaler(Capped, scene, scene.Price * CapReplicas)),
            FollowRun.Play(scene, new FixedReplicas(Fixed), bursar.Peak),
        ];
    }

    private static FollowFigures PlayKeda(FollowScene scene, string name, TimeSpan? scraping) =>
        FollowFigures.MeanOf([.. Phases.Select(phase => FollowRun.Play(scene, new KedaAutoscaler(name, scene, scraping, phase)))]);

    /// <summary>Formats the table as Markdown.</summary>
    public static IReadOnlyList<string[]> Rows(IReadOnlyList<FollowFigures> all) =>
        [
            [
                "autoscaler",
                "first token > 1 s",
                "after 5 min",
                "end > 20 s",
                "first token p95 / p99",
                "GPU-hours",
                "cost",
                "scale calls up / down",
                "need to call, median / most",
                "peak",
            ],
            .. all.Select(one =>
                (string[])
                    [
                        one.Autoscaler,
                        Text($"{one.LateFirst:N0} ({100d * one.LateFirst / one.Requests:F1} %)"),
                        Text($"{one.LateFirstLater:N0}"),
                        Text($"{one.LateEnd:N0} ({100d * one.LateEnd / one.Requests:F1} %)"),
                        Text($"{one.FirstToken95.TotalSeconds:F2} / {one.FirstToken99.TotalSeconds:F2} s"),
                        Text($"{one.GpuHours:F2}"),
                        Text($"{one.Cost.ToShortString()} USD"),
                        Text($"{one.Ups} / {one.Downs}"),
                        one.MiddleToScale is { } middle ? Text($"{middle.TotalSeconds:F1} / {one.ToScale.Max().TotalSeconds:F1} s") : "",
                        Text($"{one.Peak}"),
                    ]
            ),
        ];

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
