using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Many jobs that come at once against a budget for ten.</summary>
internal static class Mass
{
    /// <param name="holdLatency">From a creation until the suspension: seen on the watch, judged, written. Null where time is the
    /// machine's: then it is waited for.</param>
    public static async Task TenRunTheOthersWaitAndFollowInOrderAsync(
        Scene scene,
        int jobs,
        TimeSpan? holdLatency,
        string declared,
        string runFor,
        string limit,
        int follow
    )
    {
        var world = scene.World;
        await scene.BudgetAsync(limit, """{"training": {"settle": "0s"}}""");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var over = new List<string>();
        world.Operator!.Decisions.Recorded += (_, _, decision) =>
        {
            if (decision.Projected > decision.Limit && decision.Actions.Count == 0)
                over.Add($"{decision.At:O}: {decision.Projected} of {decision.Limit}");
        };
        await Task.WhenAll(Enumerable.Range(0, jobs).Select(i => scene.JobAsync($"job-{i:000}", declared, runFor)));
        if (holdLatency is { } latency)
            await scene.PassAsync(latency.TotalSeconds);
        else
            await scene.UntilAsync("no more than ten run", async () => (await RunningAsync()).Length <= 10, TimeSpan.FromMinutes(5));

        var most = 0;
        await scene.UntilAsync(
            $"{follow} have followed",
            async () =>
            {
                var running = await RunningAsync();
                running.Length.Should().BeLessThanOrEqualTo(10, "{0} run", string.Join(", ", running));
                most = Math.Max(most, running.Length);
                return (await JobsAsync()).Count(job => job.Spec.Suspend == false && job.Metadata.Generation == 3) >= follow;
            },
            TimeSpan.FromMinutes(20)
        );
        most.Should().Be(10, "no fewer either");
        over.Should().BeEmpty("what is reserved is there");
        (await scene.ConditionAsync("BreakerOpen")).Should().BeNull("to let new jobs wait is no mass suspending");

        var last = await JobsAsync();
        // Among jobs created in the same second, the one suspended first resumes first.
        var waits = last.Where(job => job.Metadata.Generation == 2)
            .Select(job => job.Metadata.CreationTimestamp!.Value)
            .DefaultIfEmpty(DateTimeOffset.MaxValue)
            .Min();
        last.Where(job => job.Metadata.Generation == 3)
            .Should()
            .OnlyContain(job => job.Metadata.CreationTimestamp <= waits, "the oldest first");
        last.Should().OnlyContain(job => job.Metadata.Generation <= 3, "nothing flaps");

        async Task<IReadOnlyList<V1Job>> JobsAsync() =>
            (await world.Client.ListAsync<V1Job>(new() { Namespace = scene.Team }, CancellationToken.None)).Items;

        // Jobs that may run. On a busy machine the Job's status counts a pod that has ended much later. Pods are read after the Jobs: what
        // ends in between is not counted.
        async Task<string[]> RunningAsync()
        {
            var now = world.Time.GetUtcNow();
            var jobs = (await JobsAsync())
                .Where(job =>
                    job.Spec.Suspend != true
                    && job.Status.Succeeded != 1
                    && (holdLatency is null || now - job.Metadata.CreationTimestamp > holdLatency)
                )
                .ToArray();
            if (holdLatency is not null)
                return [.. jobs.Select(job => job.Metadata.Name)];
            var pods = (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, CancellationToken.None)).Items;
            return
            [
                .. jobs.Where(job =>
                        !pods.Any(pod => pod.Status.Phase == "Succeeded" && pod.Metadata.ControllerReference()?.Uid == job.Metadata.Uid)
                    )
                    .Select(job => job.Metadata.Name),
            ];
        }
    }
}

public sealed class MassTests
{
    [Fact]
    public async Task Two_hundred_jobs_at_once_run_within_a_budget_for_ten()
    {
        var scene = await Scene.SandboxAsync(
            more:
            [
                new FleetNode
                {
                    Name = "gpu-2",
                    Gpu = SimulatedGpuModel.V100,
                    Gpus = 200,
                },
            ]
        );
        await using var world = scene.World;
        // Jobs declare an hour and run for two minutes. 3.3 above ten covers jobs suspended only after they were bound.
        await Mass.TenRunTheOthersWaitAndFollowInOrderAsync(scene, 200, TimeSpan.FromSeconds(6), "1h", "2m", "33", follow: 25);
    }
}
