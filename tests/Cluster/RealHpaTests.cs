using System.Globalization;
using Bursar.Core.Scaling;
using Bursar.Tests.Cluster.Worlds;
using Bursar.Tests.TestKit;
using Xunit.Abstractions;

namespace Bursar.Tests.Cluster;

/// <summary>Side by side with Kubernetes's own HorizontalPodAutoscaler on the same figures: the same replicas after each of its steps.</summary>
public sealed class RealHpaTests(ITestOutputHelper output)
{
    private const int Autoscalers = 18;
    private static readonly TimeSpan s_length = TimeSpan.FromSeconds(150);

    [SkippableFact]
    public async Task The_same_replicas_after_each_of_its_steps()
    {
        Skip.IfNot(ControlPlane.IsPresent && File.Exists(Path.Combine(ControlPlane.Assets, "kube-controller-manager")), "no kube-apiserver with its kube-controller-manager");
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(8));
        var ct = limit.Token;
        await using var plane = await ControlPlane.StartAsync(
            "horizontal-pod-autoscaler-controller", withScheduler: false, withServiceAccounts: false, auditPolicy: null, controllersHaveAccounts: false,
            ["--horizontal-pod-autoscaler-sync-period=1s", $"--concurrent-horizontal-pod-autoscaler-syncs={Autoscalers}"], ct);
        using var http = plane.CreateClient();
        var client = new RawClient(http);
        var all = Enumerable.Range(0, Autoscalers).ToDictionary(seed => $"a{seed}", seed => new WatchedAutoscaler(client, $"a{seed}", seed), StringComparer.Ordinal);
        await using var figures = await MetricsServer.StartAsync(
            async metric => (await AnswerAsync(metric))?[""],
            AnswerAsync, ct);
        await figures.RegisterAsync(client, ct);
        foreach (var one in all.Values) await one.CreateAsync(ct);

        await Task.Delay(s_length, ct);

        var reasons = all.Values.SelectMany(one => one.Reasons).GroupBy(one => one.Key).ToDictionary(group => group.Key, group => group.Sum(one => one.Value));
        output.WriteLine($"{all.Values.Sum(one => one.Compared)} steps compared, {all.Values.Sum(one => one.Late)} of them with a late clock and {all.Values.Sum(one => one.LaterThanKnown)} after a later one than is known, {all.Values.Sum(one => one.Scalings)} of them scaled, {all.Values.Sum(one => one.Skipped)} looks skipped; {string.Join(", ", reasons.Select(one => $"{one.Key} {one.Value}"))}");
        string.Join("\n\n", all.Values.Select(one => one.Difference).OfType<string>()).Should().BeEmpty();
        all.Values.Sum(one => one.LaterThanKnown).Should().BeLessThan(4, "a clock that was read so late is a machine that stood still");
        all.Values.Min(one => one.Compared).Should().BeGreaterThan(20, "each is looked at about once a second");
        all.Values.Sum(one => one.Late).Should().BeLessThan(all.Values.Sum(one => one.Compared) / 20, "the clock hardly ever has to explain it");
        all.Values.Sum(one => one.Skipped).Should().BeLessThan(all.Values.Sum(one => one.Compared) / 3);
        reasons.Keys.Should().Contain(["free", "error", HorizontalScaler.ScaleUpLimit, HorizontalScaler.ScaleDownLimit, HorizontalScaler.ScaleUpStabilized, HorizontalScaler.ScaleDownStabilized, HorizontalScaler.TooManyReplicas, HorizontalScaler.TooFewReplicas]);

        Task<IReadOnlyDictionary<string, long>?> AnswerAsync(string metric)
        {
            var dash = metric.LastIndexOf('-');
            return all[metric[..dash]].AnswerAsync(int.Parse(metric[(dash + 1)..], CultureInfo.InvariantCulture), ct);
        }
    }
}
