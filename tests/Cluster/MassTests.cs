using Bursar.Core.Decisions;
using Bursar.Kube.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

/// <summary>Many jobs that come at once against a budget for ten.</summary>
internal static class Mass
{
    /// <summary>From a creation until it is suspended: seen on the watch, judged, written.</summary>
    public static async Task TenRunTheOthersWaitAndFollowInOrderAsync(Scene scene, int jobs, TimeSpan holdLatency, string declared, string runFor, string limit, int follow)
    {
        var world = scene.World;
        await scene.BudgetAsync(limit, """{"training": {"settle": "0s"}}""");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var over = new List<string>();
        world.Operator!.Budgets.Decided += (_, decision) =>
        {
            if (decision.Projected > decision.Limit && decision.Actions.Count == 0) over.Add($"{decision.At:O}: {decision.Projected} of {decision.Limit}");
        };
        await Task.WhenAll(Enumerable.Range(0, jobs).Select(i => scene.JobAsync($"job-{i:000}", declared, runFor)));
        await scene.PassAsync(holdLatency.TotalSeconds);

        var most = 0;
        await scene.UntilAsync($"{follow} have followed", async () =>
        {
            var now = world.Time.GetUtcNow();
            var all = (await world.Client.ListAsync<V1Job>(new() { Namespace = scene.Team }, CancellationToken.None)).Items;
            var running = all.Count(job => job.Spec.Suspend != true && job.Status.Succeeded != 1 && now - job.Metadata.CreationTimestamp > holdLatency);
            running.Should().BeLessThanOrEqualTo(10);
            most = Math.Max(most, running);
            return all.Count(job => job.Spec.Suspend == false && job.Metadata.Generation == 3) >= follow;
        }, TimeSpan.FromMinutes(20));
        most.Should().Be(10, "no fewer either");
        over.Should().BeEmpty("what is reserved is there");
        (await scene.ConditionAsync("BrakeApplied")).Should().BeNull("to let new jobs wait is no mass parking");

        var last = (await world.Client.ListAsync<V1Job>(new() { Namespace = scene.Team }, CancellationToken.None)).Items;
        // Made within the same second, the name says who is first.
        string[] waited = [.. last.Where(job => job.Metadata.Generation > 1).OrderBy(job => job.Metadata.CreationTimestamp).ThenBy(job => job.Metadata.Name, StringComparer.Ordinal).Select(job => job.Metadata.Name)];
        string[] followed = [.. last.Where(job => job.Metadata.Generation == 3).Select(job => job.Metadata.Name).Order(StringComparer.Ordinal)];
        followed.Should().BeEquivalentTo(waited.Take(followed.Length), "the oldest first");
        last.Should().OnlyContain(job => job.Metadata.Generation <= 3, "nothing flaps");
    }
}

public sealed class MassTests
{
    [Fact]
    public async Task Two_hundred_jobs_at_once_against_a_budget_for_ten()
    {
        var scene = await Scene.SandboxAsync(more: [new FleetNode { Name = "gpu-2", Gpu = GpuModel.V100, Gpus = 200 }]);
        await using var world = scene.World;
        // An hour is said, two minutes are run. 3.3 beyond ten for what is held only after it was bound.
        await Mass.TenRunTheOthersWaitAndFollowInOrderAsync(scene, 200, TimeSpan.FromSeconds(6), "1h", "2m", "33", follow: 25);
    }
}
