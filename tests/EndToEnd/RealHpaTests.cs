using System.Globalization;
using Bursar.Core.Scaling;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;
using Xunit.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Side by side with Kubernetes's own HorizontalPodAutoscaler on the same figures: the same replicas after each of its steps.
/// </summary>
public sealed class RealHpaTests(ITestOutputHelper output)
{
    private const int Autoscalers = 18;

    /// <summary>Steps of each autoscaler that the pure function explains at the very instant of the answer.</summary>
    private const int Exact = 60;

    private static readonly string[] KnownReasons =
    [
        "free",
        "error",
        HorizontalScaler.ScaleUpLimit,
        HorizontalScaler.ScaleDownLimit,
        HorizontalScaler.ScaleUpStabilized,
        HorizontalScaler.ScaleDownStabilized,
        HorizontalScaler.TooManyReplicas,
        HorizontalScaler.TooFewReplicas,
    ];

    [SkippableFact]
    public async Task Model_of_the_HPA_has_the_same_replicas_after_each_step()
    {
        Skip.IfNot(
            ControlPlane.IsPresent && File.Exists(Path.Combine(ControlPlane.Assets, "kube-controller-manager")),
            "no kube-apiserver with its kube-controller-manager"
        );
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(8));
        var ct = limit.Token;
        await using var plane = await ControlPlane.StartAsync(
            "horizontal-pod-autoscaler-controller",
            withScheduler: false,
            withServiceAccounts: false,
            ScaleReads.Policy,
            controllersHaveAccounts: false,
            ["--horizontal-pod-autoscaler-sync-period=1s", $"--concurrent-horizontal-pod-autoscaler-syncs={Autoscalers}"],
            ct
        );
        using var http = plane.CreateClient();
        var client = new RawClient(http);
        var reads = new ScaleReads(plane.AuditLogPath!);
        var all = Enumerable
            .Range(0, Autoscalers)
            .ToDictionary(seed => $"a{seed}", seed => new WatchedAutoscaler(client, reads, $"a{seed}", seed), StringComparer.Ordinal);
        await using var figures = await MetricsServer.StartAsync(async metric => (await AnswerAsync(metric))?[""], AnswerAsync, ct);
        await figures.RegisterAsync(client, ct);
        foreach (var one in all.Values)
            await one.CreateAsync(ct);

        // On a busy machine the autoscaler reads its clock later than the answer, and such steps prove less.
        while (all.Values.Any(one => one.Exact < Exact) || KnownReasons.Except(Reasons().Keys).Any())
        {
            if (all.Values.Any(one => one.Difference is not null) || limit.IsCancellationRequested)
                break;
            await Task.Delay(500, CancellationToken.None);
        }

        output.WriteLine(
            $"{all.Values.Sum(one => one.Compared)} steps compared, {all.Values.Sum(one => one.Late)} of them with a late clock and {all.Values.Sum(one => one.LaterThanKnown)} after a later one than is known, {all.Values.Sum(one => one.Scalings)} of them scaled, {all.Values.Sum(one => one.Skipped)} looks skipped; {string.Join(", ", Reasons().Select(one => $"{one.Key} {one.Value}"))}"
        );
        string.Join("\n\n", all.Values.Select(one => one.Difference).OfType<string>()).Should().BeEmpty();
        all.Values.Min(one => one.Exact).Should().BeGreaterThanOrEqualTo(Exact, "within eight minutes, at about one look a second");
        Reasons().Keys.Should().Contain(KnownReasons);

        Dictionary<string, int> Reasons() =>
            all
                .Values.SelectMany(one => one.Reasons.ToArray())
                .GroupBy(one => one.Key)
                .ToDictionary(group => group.Key, group => group.Sum(one => one.Value));

        Task<IReadOnlyDictionary<string, long>?> AnswerAsync(string metric)
        {
            var dash = metric.LastIndexOf('-');
            return all[metric[..dash]].AnswerAsync(int.Parse(metric[(dash + 1)..], CultureInfo.InvariantCulture), ct);
        }
    }
}
