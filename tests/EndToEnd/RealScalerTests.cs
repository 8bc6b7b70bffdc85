using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit.Following;
using Xunit.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>InferenceScalers on a real kube-apiserver with its controllers and scheduler, in wall time.</summary>
[Collection(RealClusterCollection.Name)]
public sealed class RealScalerTests(RealCluster cluster, ITestOutputHelper output)
{
    private const string DemandToScale = "bursar_scaler_demand_to_scale_seconds";
    private static readonly TimeSpan Stretch = TimeSpan.FromSeconds(60);

    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public Task Replicas_follow_demand() =>
        cluster.PlayAsync("follow", scene => Scalers.FollowsDemandAsync(scene, TimeSpan.FromSeconds(10), within: null));

    [SkippableFact]
    public Task Budget_cap_binds_and_its_status_names_the_missing_amount() => cluster.PlayAsync("capped", Scalers.CapBindsAsync);

    [SkippableFact]
    public Task Scalers_that_share_a_budget_never_cost_more_than_it_affords() => cluster.PlayAsync("shared", Scalers.BudgetIsSharedAsync);

    [SkippableFact]
    public Task Target_that_cannot_be_scaled_is_reported_and_left_alone() => cluster.PlayAsync("refused", Scalers.RefusalsAsync);

    /// <summary>
    /// The first minute of the trace's hour, as it was: from nothing to five requests a second, from one replica's worth to five. In the
    /// simulation every call must come within two seconds of its demand; here the clock is a busy machine's, and how long they took is
    /// printed.
    /// </summary>
    [SkippableFact]
    public async Task Deployment_follows_a_real_chat_service()
    {
        var traces = Traces();
        Skip.IfNot(ChatTrace.IsPresentIn(traces), $"there is no chat trace in {traces}");
        await cluster.PlayAsync("chat", async scene =>
        {
            var load = await Scalers.ServeAsync(
                scene,
                "chat",
                model: new()
                {
                    Slots = 8,
                    PrefillTokensPerSecond = 8000,
                    BetweenTokens = TimeSpan.FromMilliseconds(30),
                }
            );
            await Scalers.ScalerAsync(
                scene,
                "chat",
                """ "minReplicaCount": 1, "maxReplicaCount": 8, "costCap": {"perHour": "30"}, "triggers": [{"type": "tokens", "metadata": {"generatedPerSecond": "200"}}, {"type": "queue", "metadata": {"waiting": "2"}}] """
            );
            await Scalers.UntilEvaluatedAsync(scene, "chat");

            var begun = scene.World.Time.GetUtcNow();
            var requests = ChatTrace.Read(traces, begun).TakeWhile(request => request.At - begun < Stretch).ToArray();
            foreach (var request in requests)
                load.Offer(request);
            var asked = new List<(TimeSpan After, int Replicas)>();
            while (scene.World.Time.GetUtcNow() - begun < Stretch)
            {
                var replicas = await scene.ReplicasAsync("chat");
                if (asked.Count == 0 || asked[^1].Replicas != replicas)
                    asked.Add((scene.World.Time.GetUtcNow() - begun, replicas));
                await scene.PassAsync(0.2);
            }
            await scene.UntilAsync("all are answered", () =>
                Task.FromResult(load.EndedBy(scene.World.Time.GetUtcNow()).Count == requests.Length)
            );
            output.WriteLine(
                $"{requests.Length} requests; replicas: {string.Join(", ", asked.Select(one => $"{one.Replicas} after {one.After.TotalSeconds:F1} s"))}"
            );
            asked[0].Replicas.Should().Be(1);
            asked[^1].Replicas.Should().BeGreaterThanOrEqualTo(4, "1,000 tokens a second are five times 200");
            asked.Select(one => one.Replicas).Should().BeInAscendingOrder("the window of five minutes keeps what was asked for");

            var samples = await scene.World.MetricsAsync(Ct);
            output.WriteLine(
                $"from demand to scale call: {string.Join(", ", samples.Where(sample => sample.Name == DemandToScale + "_bucket").Select(sample => $"{sample.Value} within {sample.Label("le")} s"))}"
            );
            samples
                .Single(sample => sample.Name == DemandToScale + "_count")
                .Value.Should()
                .BeGreaterThanOrEqualTo(asked.Count - 1, "each of them added some, and two may have come between two looks");

            var listed = (await InstallTool.KubectlAsync(((RealWorld)scene.World).Plane.KubeconfigPath, "get", "infs", "-n", scene.Team))
                .Succeeded()
                .Output.TrimEnd()
                .Split('\n')
                .Select(line => Regex.Replace(line.TrimEnd(), " {2,}", "|"))
                .ToArray();
            output.WriteLine(string.Join('\n', listed));
            listed[0].Should().Be("NAME|TARGET|REPLICAS|WANTED|AFFORDABLE|COST/H|REASON|AGE");
            listed[1].Should().MatchRegex(@"^chat\|Deployment/chat\|[4-8]\|[4-8]\|8\|\d+\.\d+\|[A-Z]\w+\|\w+$");
        });
    }

    private static string Traces([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../../shared/traces"));
}
