using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

public sealed class ReleaseTests
{
    private static readonly ReleaseRequest Everything = new(null, null, DryRun: false);

    [Fact]
    public async Task Suspended_workloads_are_resumed_without_an_operator_and_their_records_removed()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendBothAsync(world);

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(0, text);
        (await world.IsSuspendedAsync("runaway")).Should().BeFalse();
        (await world.ReplicasAsync("chat")).Should().Be(3);
        (await world.SuspendedAsync()).Should().BeEmpty();
        (await world.Client.GetAsync<V1ConfigMap>("bursar-control", CommandsWorld.BursarNamespace, CancellationToken.None))
            .Data["enforcement"]
            .Should()
            .Be("observe");
    }

    [Fact]
    public async Task Release_of_everything_twice_changes_nothing_more()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendBothAsync(world);
        await ReleaseAsync(world, Everything);

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(0);
        text.Should().Contain("Nothing is suspended.");
        (await world.ReplicasAsync("chat")).Should().Be(3);
    }

    [Fact]
    public async Task Dry_run_changes_nothing()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendBothAsync(world);

        var (code, text) = await ReleaseAsync(world, Everything with { DryRun = true });

        code.Should().Be(0);
        text.Should().Contain("team-vision/Job/runaway: would set /spec/suspend from true back to false");
        (await world.IsSuspendedAsync("runaway")).Should().BeTrue();
        (await world.SuspendedAsync()).Should().Equal("Deployment/chat", "Job/runaway");
        (await world.Client.GetOrNullAsync<V1ConfigMap>("bursar-control", CommandsWorld.BursarNamespace, CancellationToken.None))
            .Should()
            .BeNull();
    }

    [Fact]
    public async Task Records_of_deleted_workloads_are_dropped_and_changed_ones_left_alone()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendBothAsync(world);
        await world.DeleteJobAsync("runaway");
        await world.Client.PatchAsync<V1Deployment>(
            "chat",
            CommandsWorld.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = 7 } }) with
            {
                Subresource = "scale",
            },
            CancellationToken.None
        );

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(0);
        text.Should().Contain("Job/runaway: is gone").And.Contain("Deployment/chat: not changed: another client changed /spec/replicas");
        (await world.ReplicasAsync("chat")).Should().Be(7);
        (await world.SuspendedAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task Job_recreated_under_the_name_of_a_deleted_one_is_not_resumed()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendBothAsync(world);
        await world.DeleteJobAsync("runaway");
        await world.CreateJobAsync("runaway", suspended: true);

        (await ReleaseAsync(world, Everything)).Code.Should().Be(0);

        (await world.IsSuspendedAsync("runaway")).Should().BeTrue();
    }

    [Fact]
    public async Task Release_by_name_resumes_only_the_workloads_of_that_budget()
    {
        await using var world = await CommandsWorld.StartAsync();
        var vision = await world.CreateBudgetAsync("vision", "2");
        var other = await world.CreateBudgetAsync("other", "2");
        var state = new OperatorState();
        state.RecordSuspension(CommandsWorld.OfJob(await world.CreateJobAsync("runaway", suspended: true), vision));
        state.RecordSuspension(CommandsWorld.OfJob(await world.CreateJobAsync("stays", suspended: true), other));
        await world.StoreAsync(state);

        var (code, text) = await ReleaseAsync(world, new(CommandsWorld.Team, "vision", DryRun: false));

        code.Should().Be(0);
        text.Should().Contain("GpuBudget team-vision/vision is released");
        (await world.IsSuspendedAsync("runaway")).Should().BeFalse();
        (await world.IsSuspendedAsync("stays")).Should().BeTrue();
        (await world.SuspendedAsync()).Should().Equal("Job/stays");
    }

    [Fact]
    public async Task Workload_that_cannot_be_resumed_stays_in_the_ledger_and_fails_the_command()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendBothAsync(world);
        world.Refuse("patch", "jobs");

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(1);
        text.Should().Contain("1 of 2 could not be resumed");
        (await world.IsSuspendedAsync("runaway")).Should().BeTrue();
        (await world.SuspendedAsync()).Should().Equal("Job/runaway");
    }

    [Fact]
    public async Task Release_beside_a_running_operator_makes_it_give_up_the_lease()
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
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse("observe-only mode is on");
        (await scene.StatusAsync())!.SuspendedCount.Should().Be(0);

        // The operator enforces again and is about to act, but finds that another process wrote its ledger.
        await scene.SetControlAsync("enforcement", null);
        // The real clock decides how long a process takes to end.
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (replica.Ends.Count == 0)
        {
            await scene.PassAsync(0.1);
            await Task.Delay(20, limit.Token);
        }
        replica.Ends.Single().Should().BeOfType<LeadershipLostException>();
        (await HolderAsync()).Should().BeNullOrEmpty("another one need not wait for the lease");
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse("it did not act on what it remembered");

        await scene.UntilAsync("a new one leads", async () => await HolderAsync() == "one");
        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilAsync("the status names it", async () =>
            (await scene.StatusAsync()) is { SuspendedCount: 1 } status && status.Decisions![0].Reason != "SuspendedAgain"
        );
        replica.Ends.Should().HaveCount(1);

        async Task<string?> HolderAsync() =>
            (await world.Client.GetAsync<V1Lease>("bursar", ClusterWorld.OwnNamespace, CancellationToken.None)).Spec.HolderIdentity;
    }

    /// <summary>Whatever the moment: the budget gives its work back, keeps its hands off, and nothing is orphaned.</summary>
    [Fact]
    public async Task Release_of_a_budget_restores_its_inference_beside_a_running_operator()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        // Without a lease the command waits for 2 seconds of real time only, which may be too short on a busy machine.
        await world.StartOperatorAsync(CancellationToken.None, new() { LeaderElect = true, Identity = "one" }, restart: true);
        await world.CreateDeploymentAsync(scene.Team, "chat", 2, 1, CancellationToken.None);
        await scene.BudgetAsync("0.01", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.UntilAsync("it is at zero", async () => await scene.ReplicasAsync("chat") == 0);
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);

        (await ReleaseBesideAsync(scene)).Should().Be(0);
        await scene.UntilAsync("it serves", async () => await scene.ReplicasAsync("chat") == 2);
        await scene.PassAsync(120);

        (await scene.ReplicasAsync("chat")).Should().Be(2);
        (await scene.StatusAsync())!.SuspendedCount.Should().Be(0);
    }

    /// <summary>The command was killed after its first write, so the order is recorded on the budget only.</summary>
    [Fact]
    public async Task Release_recorded_only_on_the_budget_is_carried_out_by_the_operator()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        var mark = new ReleaseMark(
            (await world.BudgetAsync(scene.Team, "b", CancellationToken.None)).Metadata.Generation,
            world.Time.GetUtcNow()
        );

        await world.Client.PatchAsync<V1Alpha1GpuBudget>(
            "b",
            scene.Team,
            KubePatch.Merge(
                new JsonObject
                {
                    ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["bursar.dev/released"] = mark.ToString() } },
                }
            ),
            CancellationToken.None
        );

        await scene.UntilResumedAsync("too-long");
        await scene.UntilAsync("nothing is recorded", async () =>
            (await scene.StatusAsync()) is { SuspendedCount: 0, State: "EnforcementReleased" }
        );
    }

    [Theory]
    [InlineData("jobs", true)] // it is resumed, and the command does not know
    [InlineData("gpuledgers", false)] // it is resumed, and the record remains
    [InlineData("gpuledgers", true)] // the record is gone, and the command does not know
    public async Task Release_that_died_in_between_is_run_again(string resource, bool happens)
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendBothAsync(world);
        world.Fail("patch", resource, happens);
        try
        {
            await ReleaseAsync(world, Everything);
        }
        catch (ApiException)
        {
            // The operator was killed at that write.
        }

        (await ReleaseAsync(world, Everything)).Code.Should().Be(0);

        (await world.IsSuspendedAsync("runaway")).Should().BeFalse();
        (await world.ReplicasAsync("chat")).Should().Be(3);
        (await world.SuspendedAsync()).Should().BeEmpty();
    }

    /// <summary>The case that orphaned jobs: an operator suspends the work again between the two writes of the command.</summary>
    [Fact]
    public async Task Record_that_an_operator_wrote_since_is_not_forgotten()
    {
        await using var world = await CommandsWorld.StartAsync();
        var budget = await world.CreateBudgetAsync("vision", "2");
        var state = new OperatorState();
        var read = CommandsWorld.OfJob(await world.CreateJobAsync("runaway", suspended: true), budget);
        state.RecordSuspension(read with { Cause = read.Cause with { Reason = Reasons.SuspendedAgain } });
        await world.StoreAsync(state);
        var shard = (await StoredLedger.ReadBudgetsAsync(world.Client, CommandsWorld.BursarNamespace, CancellationToken.None)).Single();

        var newer = await StoredLedger.ForgetAsync(world.Client, CommandsWorld.BursarNamespace, shard.Name, read, CancellationToken.None);

        newer!.Cause.Reason.Should().Be(Reasons.SuspendedAgain);
        (await world.SuspendedAsync()).Should().Equal("Job/runaway");
        (await StoredLedger.ForgetAsync(world.Client, CommandsWorld.BursarNamespace, shard.Name, newer, CancellationToken.None))
            .Should()
            .BeNull();
        (await world.SuspendedAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task Suspended_workload_without_a_record_is_resumed_with_everything()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        foreach (var job in (string[])["lost", "users"])
            await scene.JobAsync(job, declared: "2h");
        foreach (var job in (string[])["lost", "users"])
            await scene.UntilSuspendedAsync(job);
        await world.StopOperatorAsync();
        foreach (
            var shard in (
                await world.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = ClusterWorld.OwnNamespace }, CancellationToken.None)
            ).Items
        )
            await world.Client.DeleteAsync<V1Alpha1GpuLedger>(shard.Metadata.Name, ClusterWorld.OwnNamespace, null, CancellationToken.None);
        await scene.SuspendAsync("users", false);
        await scene.SuspendAsync("users", true);
        using var output = new StringWriter();

        (await ReleaseCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, Everything, output, CancellationToken.None))
            .Should()
            .Be(0, "{0}", output);

        (await scene.IsSuspendedAsync("lost")).Should().BeFalse();
        (await scene.IsSuspendedAsync("users")).Should().BeTrue("their own suspension is theirs");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Release_of_a_budget_beside_a_running_operator_resumes_its_workloads(bool elected)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        var replica = await world.StartOperatorAsync(
            CancellationToken.None,
            new() { LeaderElect = elected, Identity = "one" },
            restart: true
        );
        await scene.BudgetAsync("1", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);

        (await ReleaseBesideAsync(scene)).Should().Be(0);
        await scene.UntilResumedAsync("too-long");
        await scene.UntilRunsAsync("too-long");
        await scene.PassAsync(120);

        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse("the budget is released");
        var status = (await scene.StatusAsync())!;
        (status.State, status.SuspendedCount).Should().Be(("EnforcementReleased", 0));
        status.Workloads.Should().ContainSingle(w => w.State == "Running");
        (await scene.EventsAsync("EnforcementReleased", "b")).Should().ContainSingle();
        // Without a lease the command waits for 2 seconds of real time only. On a busy machine it then resumes the job itself.
        if (elected)
        {
            (await scene.UntilEventAsync("Resumed", "too-long")).Note.Should().ContainAll("budget b", "bursar release");
            replica.Ends.Should().BeEmpty("they did not write the same record");
        }

        // The spec changes: it enforces again, and what it then suspends is found by everything.
        await scene.SetLimitAsync("0.5");
        await scene.UntilSuspendedAsync("too-long", TimeSpan.FromMinutes(3));
        await scene.SetLimitAsync("100");
        await scene.UntilResumedAsync("too-long");
    }

    [Fact]
    public async Task Release_that_its_user_ends_is_over()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        (await ReleaseBesideAsync(scene)).Should().Be(0);
        await scene.UntilAsync("it is released", async () => (await scene.StatusAsync())?.State == "EnforcementReleased");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse();

        using var output = new StringWriter();
        (
            await ReleaseCommand.RunAsync(
                world.Client,
                ClusterWorld.OwnNamespace,
                new(scene.Team, "b", DryRun: false, End: true),
                output,
                CancellationToken.None
            )
        )
            .Should()
            .Be(0);

        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilEventAsync("EnforcementRestored", "b");
    }

    [Fact]
    public async Task Release_of_a_budget_without_an_operator_is_kept_by_the_next_operator()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(CancellationToken.None, new() { Identity = "first" });
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        scene.Sandbox.Server.Faults.Add(new(new Fault.Answer(500)) { Client = "(first)" });
        await world.AbandonOperatorAsync();

        (await ReleaseBesideAsync(scene)).Should().Be(0);
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse();
        await world.StartOperatorAsync(CancellationToken.None, new() { Identity = "second" });
        await scene.UntilRunsAsync("too-long");
        await scene.PassAsync(60);

        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse();
        (await scene.StatusAsync())!.State.Should().Be("EnforcementReleased");
    }

    /// <summary>The operator's own steps while it resumes what its user released.</summary>
    [Theory]
    [InlineData("jobs", false)] // before the job is resumed
    [InlineData("jobs", true)] // it is resumed, and the record remains
    [InlineData("gpuledgers", false)] // the record remains
    [InlineData("gpuledgers", true)] // the record is gone
    public async Task Release_during_which_the_operator_dies_leaves_nothing_suspended(string resource, bool happens)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(CancellationToken.None, new() { Identity = "first" });
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.PassAsync(5);
        scene.Sandbox.Server.Faults.Add(
            new(happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
            {
                Client = "(first)",
                Resource = resource,
                Verb = "patch",
                PathPart = resource == "gpuledgers" ? $"/gpuledgers/{scene.Team}." : "",
                Times = 1,
                Then = new(new Fault.Answer(500)) { Client = "(first)" },
            }
        );
        var release = StartReleaseAsync(scene);
        await scene.UntilAsync("the operator dies", () => Task.FromResult(scene.Sandbox.Server.Faults.Shown >= 1));
        await world.AbandonOperatorAsync();
        (await release).Should().Be(0);
        await world.StartOperatorAsync(CancellationToken.None, new() { Identity = "second" });

        await scene.UntilResumedAsync("too-long");
        await scene.UntilAsync("nothing is recorded", async () =>
            (await scene.StatusAsync()) is { SuspendedCount: 0, State: "EnforcementReleased" }
        );
        await scene.PassAsync(60);
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse();
        (await scene.StatusAsync())!.Workloads.Should().ContainSingle(w => w.State == "Running");
    }

    /// <summary>A newer operator suspends through managers that this command does not know.</summary>
    [Fact]
    public async Task Release_keeps_the_record_of_a_manager_it_cannot_write()
    {
        await using var world = await CommandsWorld.StartAsync();
        var budget = await world.CreateBudgetAsync("vision", "2");
        var state = new OperatorState();
        state.RecordSuspension(
            CommandsWorld.OfJob(await world.CreateJobAsync("managed", suspended: false), budget) with
            {
                Field = new(new("scheduler.example/v1", "Gang", "managed", "u"), "/spec/active", "true", "false"),
                IsThroughManager = true,
            }
        );
        await world.StoreAsync(state);

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(1, text);
        text.Should().Contain("Job/managed: could not be resumed: this version of bursar writes no Gang of scheduler.example/v1");
        (await world.SuspendedAsync()).Should().Equal("Job/managed");
    }

    /// <summary>
    /// An operator's write that is still in flight when everything is resumed: the record must still exist when it arrives.
    /// </summary>
    [Fact]
    public async Task Release_of_everything_keeps_the_record_of_a_suspension_that_is_under_way()
    {
        await using var world = await CommandsWorld.StartAsync();
        var budget = await world.CreateBudgetAsync("vision", "2");
        var state = new OperatorState();
        state.RecordSuspension(CommandsWorld.OfJob(await world.CreateJobAsync("late", suspended: false), budget));
        await world.StoreAsync(state);
        await world.Client.CreateAsync(
            new V1Lease
            {
                Metadata = new() { Name = "bursar", Namespace = CommandsWorld.BursarNamespace },
                Spec = new()
                {
                    HolderIdentity = "one",
                    LeaseDurationSeconds = 60,
                    RenewTime = TimeProvider.System.GetUtcNow(),
                },
            },
            CancellationToken.None
        );

        var (code, text) = await ReleaseAsync(world, Everything);

        code.Should().Be(1, text);
        text.Should().Contain("an operator may be about to suspend it");
        (await world.SuspendedAsync()).Should().Equal("Job/late");
        // The write arrives. The command is run again, as its output asked.
        await world.Client.PatchAsync<V1Job>(
            "late",
            CommandsWorld.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["suspend"] = true } }),
            CancellationToken.None
        );
        (await ReleaseAsync(world, Everything)).Code.Should().Be(0);
        (await world.IsSuspendedAsync("late")).Should().BeFalse();
        (await world.SuspendedAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task Release_of_a_budget_that_is_not_there_is_refused()
    {
        await using var world = await CommandsWorld.StartAsync();

        var release = () => ReleaseAsync(world, new(CommandsWorld.Team, "nope", DryRun: false));

        (await release.Should().ThrowAsync<CommandException>()).WithMessage("there is no GpuBudget team-vision/nope*");
    }

    /// <summary>The ledger is lost: what Bursar had suspended is found by its mirror, what its user has suspended is not.</summary>
    [Fact]
    public async Task Suspended_workload_without_a_record_is_recorded_anew_and_resumes_later()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        foreach (var job in (string[])["lost", "users"])
            await scene.JobAsync(job, declared: "2h");
        foreach (var job in (string[])["lost", "users"])
            await scene.UntilSuspendedAsync(job);
        await scene.UntilAsync("the status names them", async () => (await scene.StatusAsync())?.SuspendedCount == 2);
        await world.StopOperatorAsync();
        foreach (
            var shard in (
                await world.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = ClusterWorld.OwnNamespace }, CancellationToken.None)
            ).Items
        )
            await world.Client.DeleteAsync<V1Alpha1GpuLedger>(shard.Metadata.Name, ClusterWorld.OwnNamespace, null, CancellationToken.None);
        // Resumed and suspended by its user: the annotations remain and no longer mean anything.
        await scene.SuspendAsync("users", false);
        await scene.SuspendAsync("users", true);
        await world.StartOperatorAsync(CancellationToken.None);

        await scene.UntilAsync(
            "it is recorded anew",
            async () => (await scene.StatusAsync())?.Suspended is [{ Name: "lost", Reason: "RecordRestored" }],
            TimeSpan.FromMinutes(3)
        );
        await scene.SetLimitAsync("100");
        await scene.UntilResumedAsync("lost");
        await scene.PassAsync(60);
        (await scene.IsSuspendedAsync("users")).Should().BeTrue();
        (await scene.StatusAsync())!.Workloads!.Single(w => w.Name == "users").Reason.Should().StartWith("SuspendedByOther");
    }

    [Fact]
    public async Task Breaker_reset_writes_its_time_and_keeps_the_enforcement_setting()
    {
        await using var world = await CommandsWorld.StartAsync();
        await ReleaseAsync(world, Everything);
        await world.CreateBudgetAsync("vision", "2");
        await world.Client.PatchAsync<V1Alpha1GpuBudget>(
            "vision",
            CommandsWorld.Team,
            KubePatch.Merge(
                (JsonObject)
                    JsonNode.Parse(
                        """
                        {"status": {"observedGeneration": 1, "conditions": [{"type": "BreakerOpen", "status": "True", "reason": "BreakerOpen", "message": "m", "lastTransitionTime": "2026-11-02T08:10:00Z"}]}}
                        """
                    )!
            ) with
            {
                Subresource = "status",
            },
            CancellationToken.None
        );
        using var output = new StringWriter();

        await ResetBreakerCommand.RunAsync(world.Client, CommandsWorld.BursarNamespace, output, CancellationToken.None);

        var control = await world.Client.GetAsync<V1ConfigMap>("bursar-control", CommandsWorld.BursarNamespace, CancellationToken.None);
        DateTimeOffset.Parse(control.Data["continue"]).Should().BeCloseTo(TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(1));
        control.Data["enforcement"].Should().Be("observe");
    }

    /// <summary>Releases budget b while virtual time moves. The command waits for another process by the real clock.</summary>
    private static async Task<int> ReleaseBesideAsync(Scene scene)
    {
        var release = StartReleaseAsync(scene);
        while (!release.IsCompleted)
        {
            await scene.PassAsync(1);
            await Task.WhenAny(release, Task.Delay(50));
        }
        return await release;
    }

    private static Task<int> StartReleaseAsync(Scene scene) =>
        ReleaseCommand.RunAsync(
            scene.World.Client,
            ClusterWorld.OwnNamespace,
            new(scene.Team, "b", DryRun: false),
            TextWriter.Null,
            CancellationToken.None
        );

    private static async Task SuspendBothAsync(CommandsWorld world)
    {
        var budget = await world.CreateBudgetAsync("vision", "2");
        var state = new OperatorState();
        state.RecordSuspension(CommandsWorld.OfJob(await world.CreateJobAsync("runaway", suspended: true), budget));
        state.RecordSuspension(CommandsWorld.OfDeployment(await world.CreateDeploymentAsync("chat", 0), budget, original: 3));
        await world.StoreAsync(state);
    }

    private static async Task<(int Code, string Text)> ReleaseAsync(CommandsWorld world, ReleaseRequest request)
    {
        using var output = new StringWriter();
        var code = await ReleaseCommand.RunAsync(world.Client, CommandsWorld.BursarNamespace, request, output, CancellationToken.None);
        return (code, output.ToString());
    }
}
