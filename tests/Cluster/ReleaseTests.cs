using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Commands;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

public sealed class ReleaseTests
{
    private static readonly ReleaseRequest Everything = new(null, null, DryRun: false);

    [Fact]
    public async Task Everything_parked_is_given_back_without_an_operator_and_forgotten()
    {
        await using var world = await CommandsWorld.StartAsync();
        await ParkBothAsync(world);

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(0, text);
        (await world.IsSuspendedAsync("runaway")).Should().BeFalse();
        (await world.ReplicasAsync("chat")).Should().Be(3);
        (await world.ParkedAsync()).Should().BeEmpty();
        (await world.Client.GetAsync<V1ConfigMap>("bursar-control", CommandsWorld.BursarNamespace, CancellationToken.None)).Data["enforcement"].Should().Be("observe");
    }

    [Fact]
    public async Task Twice_is_as_once()
    {
        await using var world = await CommandsWorld.StartAsync();
        await ParkBothAsync(world);
        await ReleaseAsync(world, Everything);

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(0);
        text.Should().Contain("Nothing is parked.");
        (await world.ReplicasAsync("chat")).Should().Be(3);
    }

    [Fact]
    public async Task A_dry_run_touches_nothing()
    {
        await using var world = await CommandsWorld.StartAsync();
        await ParkBothAsync(world);

        var (code, text) = await ReleaseAsync(world, Everything with { DryRun = true });

        code.Should().Be(0);
        text.Should().Contain("team-vision/Job/runaway: would set /spec/suspend from true back to false");
        (await world.IsSuspendedAsync("runaway")).Should().BeTrue();
        (await world.ParkedAsync()).Should().Equal("Deployment/chat", "Job/runaway");
        (await world.Client.GetOrNullAsync<V1ConfigMap>("bursar-control", CommandsWorld.BursarNamespace, CancellationToken.None)).Should().BeNull();
    }

    [Fact]
    public async Task What_is_gone_is_forgotten_and_what_others_changed_is_left_alone()
    {
        await using var world = await CommandsWorld.StartAsync();
        await ParkBothAsync(world);
        await world.DeleteJobAsync("runaway");
        await world.Client.PatchScaleAsync<V1Deployment>("chat", CommandsWorld.Team, KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = 7 } }), CancellationToken.None);

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(0);
        text.Should().Contain("Job/runaway: is gone").And.Contain("Deployment/chat: left alone: someone else changed /spec/replicas");
        (await world.ReplicasAsync("chat")).Should().Be(7);
        (await world.ParkedAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task A_namesake_of_a_job_that_was_deleted_is_not_resumed()
    {
        await using var world = await CommandsWorld.StartAsync();
        await ParkBothAsync(world);
        await world.DeleteJobAsync("runaway");
        await world.CreateJobAsync("runaway", suspended: true);

        (await ReleaseAsync(world, Everything)).Code.Should().Be(0);

        (await world.IsSuspendedAsync("runaway")).Should().BeTrue();
    }

    [Fact]
    public async Task One_budgets_work_alone_is_given_back_by_name()
    {
        await using var world = await CommandsWorld.StartAsync();
        var vision = await world.CreateBudgetAsync("vision", "2");
        var other = await world.CreateBudgetAsync("other", "2");
        var ledger = new GpuLedger();
        ledger.Park(CommandsWorld.OfJob(await world.CreateJobAsync("runaway", suspended: true), vision));
        ledger.Park(CommandsWorld.OfJob(await world.CreateJobAsync("stays", suspended: true), other));
        await world.StoreAsync(ledger);

        var (code, text) = await ReleaseAsync(world, new(CommandsWorld.Team, "vision", DryRun: false));

        code.Should().Be(0);
        text.Should().Contain("still enforces");
        (await world.IsSuspendedAsync("runaway")).Should().BeFalse();
        (await world.IsSuspendedAsync("stays")).Should().BeTrue();
        (await world.ParkedAsync()).Should().Equal("Job/stays");
    }

    [Fact]
    public async Task What_cannot_be_given_back_stays_in_the_ledger_and_fails_the_command()
    {
        await using var world = await CommandsWorld.StartAsync();
        await ParkBothAsync(world);
        world.Refuse("patch", "jobs");

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(1);
        text.Should().Contain("1 of 2 could not be given back");
        (await world.IsSuspendedAsync("runaway")).Should().BeTrue();
        (await world.ParkedAsync()).Should().Equal("Job/runaway");
    }

    [Fact]
    public async Task Beside_a_running_operator_it_makes_it_give_up_the_lease_and_a_restarted_one_works_on()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        var replica = await world.StartOperatorAsync(CancellationToken.None, new() { LeaderElect = true, Identity = "one" }, restart: true);
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        (await HolderAsync()).Should().Be("one");

        using var output = new StringWriter();
        var release = ReleaseCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, Everything, output, CancellationToken.None);
        await scene.UntilAsync("the command is done", () => Task.FromResult(release.IsCompleted));
        (await release).Should().Be(0, output.ToString());
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse();

        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse("the switch says observe");
        (await scene.StatusAsync())!.SuspendedCount.Should().Be(0);

        // Told to enforce again, it is about to act, and finds its ledger written by someone else before it does.
        await scene.SetControlAsync("enforcement", null);
        await scene.UntilAsync("the operator ends", () => Task.FromResult(replica.Ends.Count == 1));
        replica.Ends.Single().Should().BeOfType<LeadershipLostException>();
        (await HolderAsync()).Should().BeNullOrEmpty("another one need not wait for the lease");
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse("it did not act on what it remembered");

        await scene.UntilAsync("a new one leads", async () => await HolderAsync() == "one");
        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync()) is { SuspendedCount: 1 } status && status.Decisions![0].Reason != "ParkedAgain");
        replica.Ends.Should().HaveCount(1);

        async Task<string?> HolderAsync() => (await world.Client.GetAsync<V1Lease>("bursar", ClusterWorld.OwnNamespace, CancellationToken.None)).Spec.HolderIdentity;
    }

    [Fact]
    public async Task Continue_writes_the_moment_beside_what_stands_there()
    {
        await using var world = await CommandsWorld.StartAsync();
        await ReleaseAsync(world, Everything);
        using var output = new StringWriter();

        await ContinueCommand.RunAsync(world.Client, CommandsWorld.BursarNamespace, output, CancellationToken.None);

        var control = await world.Client.GetAsync<V1ConfigMap>("bursar-control", CommandsWorld.BursarNamespace, CancellationToken.None);
        DateTimeOffset.Parse(control.Data["continue"]).Should().BeCloseTo(TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(1));
        control.Data["enforcement"].Should().Be("observe");
    }

    private static async Task ParkBothAsync(CommandsWorld world)
    {
        var budget = await world.CreateBudgetAsync("vision", "2");
        var ledger = new GpuLedger();
        ledger.Park(CommandsWorld.OfJob(await world.CreateJobAsync("runaway", suspended: true), budget));
        ledger.Park(CommandsWorld.OfDeployment(await world.CreateDeploymentAsync("chat", 0), budget, original: 3));
        await world.StoreAsync(ledger);
    }

    private static async Task<(int Code, string Text)> ReleaseAsync(CommandsWorld world, ReleaseRequest request)
    {
        using var output = new StringWriter();
        var code = await ReleaseCommand.RunAsync(world.Client, CommandsWorld.BursarNamespace, request, output, CancellationToken.None);
        return (code, output.ToString());
    }
}
