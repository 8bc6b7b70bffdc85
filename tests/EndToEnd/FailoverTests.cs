using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Two replicas: one leads. When it is cut off, the other takes over and the first may write no more.</summary>
public sealed class FailoverTests
{
    [Fact]
    public async Task Fail_over_loses_nothing_and_the_old_leader_is_fenced()
    {
        var ct = CancellationToken.None;
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await using var bill = await PodBill.OpenAsync(scene);
        await using var first = world.StartReplica(
            new()
            {
                LeaderElect = true,
                Identity = "replica-a",
                Seed = 1,
            }
        );
        var parts = await first.LeadsAsync(ct);
        await using var second = world.StartReplica(
            new()
            {
                LeaderElect = true,
                Identity = "replica-b",
                Seed = 2,
            }
        );
        await second.StandsByAsync(CancellationToken.None);
        await scene.BudgetAsync("2");
        await scene.RunawayAsync("runaway");
        await scene.JobAsync("short", declared: "60s", runFor: "60s");
        await scene.UntilSuspendedAsync("runaway");
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("Suspended", "runaway")).Count == 1);
        second.Leads.Should().BeFalse();
        (await HolderAsync(world)).Should().Be("replica-a");

        // The first replica alone no longer reaches the server.
        scene.Sandbox.Server.Faults.Add(new(new Fault.Answer(500)) { Client = "(replica-a)" });
        await scene.UntilAsync("the other one leads", () => Task.FromResult(second.Leads), TimeSpan.FromSeconds(60));
        (await HolderAsync(world)).Should().Be("replica-b");
        await scene.UntilAsync("the old leader has ended", () => Task.FromResult(first.Running.IsCompleted));
        scene.Sandbox.Server.Faults.Clear();
        var write = () =>
            parts.Client.PatchAsync<V1Job>(
                "runaway",
                scene.Team,
                KubePatch.Merge(
                    new System.Text.Json.Nodes.JsonObject { ["spec"] = new System.Text.Json.Nodes.JsonObject { ["suspend"] = false } }
                ),
                ct
            );
        await write.Should().ThrowAsync<Exception>("it may not write any more");

        await scene.UntilAsync("the short job is done", async () => (await world.JobAsync(scene.Team, "short", ct)).Status.Succeeded == 1);
        await scene.PassAsync(70);
        (await scene.IsSuspendedAsync("runaway")).Should().BeTrue();
        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        await scene.SetLimitAsync("10");
        await scene.UntilResumedAsync("runaway");
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("Resumed", "runaway")).Count == 1);
        (await scene.EventsAsync("Suspended", "runaway")).Should().HaveCount(1);
    }

    [Fact]
    public async Task Stopped_leader_releases_the_lease_at_once()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        var first = world.StartReplica(
            new()
            {
                LeaderElect = true,
                Identity = "replica-a",
                Seed = 1,
            }
        );
        await first.LeadsAsync(CancellationToken.None);
        await using var second = world.StartReplica(
            new()
            {
                LeaderElect = true,
                Identity = "replica-b",
                Seed = 2,
            }
        );
        await second.StandsByAsync(CancellationToken.None);
        await scene.PassAsync(5);
        second.Leads.Should().BeFalse();

        await first.DisposeAsync();
        (await HolderAsync(world)).Should().BeNullOrEmpty("the lease is released");
        // Sooner than the lease would have run out.
        await scene.UntilAsync("the other one leads", () => Task.FromResult(second.Leads), TimeSpan.FromSeconds(12));
    }

    private static async Task<string?> HolderAsync(ClusterWorld world) =>
        (await world.Client.GetAsync<V1Lease>("bursar", ClusterWorld.OwnNamespace, CancellationToken.None)).Spec.HolderIdentity;
}
