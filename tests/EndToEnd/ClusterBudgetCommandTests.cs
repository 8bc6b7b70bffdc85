using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>The commands on ClusterGpuBudgets, beside a GpuBudget of the same name.</summary>
public sealed class ClusterBudgetCommandTests
{
    private const string Name = "research";

    [Fact]
    public async Task Explained_status_names_namespaces_parents_children_and_workloads()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.CreateClusterBudgetAsync(Name, "100", CommandsWorld.Team, CommandsWorld.OtherTeam);
        await SetStatusAsync(
            world,
            """
            {"observedGeneration": 1, "state": "OnTrack", "currency": "USD", "limit": "100.000000", "spent": "0.500000", "percent": 0,
             "namespaceCount": 52, "namespaces": ["team-speech", "team-vision"], "parents": ["company"],
             "children": [{"name": "team-vision/research", "limit": "60.000000"}, {"name": "labs", "limit": "80.000000"}],
             "workloads": [{"namespace": "team-speech", "kind": "Job", "name": "train", "class": "training", "state": "Running", "gpus": 1, "spent": "0.500000", "projected": "1.000000", "reason": "Fits."}],
             "conditions": [
               {"type": "Ready", "status": "True", "reason": "OnTrack", "message": "All is well.", "lastTransitionTime": "2026-11-02T08:10:00Z"},
               {"type": "Overcommitted", "status": "True", "reason": "ChildLimitsExceedLimit", "message": "The limits of 2 budgets below it are 140.00 USD together.", "lastTransitionTime": "2026-11-02T08:10:00Z"}]}
            """
        );

        var text = await ExplainAsync(world, "");

        text.Should().StartWith("ClusterGpuBudget research: OnTrack\n  All is well.\n");
        text.Should().Contain("\nNamespaces that it covers: 52\n  team-speech, team-vision, and 50 more\n");
        text.Should().Contain("\nBudgets above it, which its workloads need to fit too\n  ClusterGpuBudget company\n");
        text.Should()
            .Contain(
                "\nBudgets directly below it, and their limits\n  GpuBudget team-vision/research  60.000000\n  ClusterGpuBudget labs           80.000000\n"
            );
        text.Should().Contain("\n  team-speech/Job/train  training, Running");
        text.Should().MatchRegex(@"Overcommitted +True +ChildLimitsExceedLimit +The limits of 2 budgets below it");
    }

    [Fact]
    public async Task Stored_decision_on_a_ClusterGpuBudget_replays_to_the_same_result()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world);

        var text = await ExplainAsync(world, "");

        text.Should().StartWith("ClusterGpuBudget research has not been evaluated yet");
        text.Should()
            .Contain("  team-speech/Job/runaway  since 2026-11-02T08:10:00Z (ProjectedOverBudget), /spec/suspend was false and is true");
        text.Should().Contain("Suspend team-speech/Job/runaway (ProjectedOverBudget)").And.Contain("; team-speech/Job/runaway: Running");
        text.Should().Contain("replay: same result").And.NotContain("DIFFERENT");
    }

    [Fact]
    public async Task Deleted_ClusterGpuBudget_is_explained_from_the_ledger_and_not_confused()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world);
        await world.Client.DeleteAsync<V1Alpha1ClusterGpuBudget>(Name, null, null, CancellationToken.None);

        (await ExplainAsync(world, ""))
            .Should()
            .StartWith("ClusterGpuBudget research does not exist any more")
            .And.Contain("team-speech/Job/runaway  since");
        var ofTeam = () => ExplainAsync(world, CommandsWorld.OtherTeam);
        (await ofTeam.Should().ThrowAsync<CommandException>()).WithMessage("there is no GpuBudget research in namespace team-speech.");
    }

    [Fact]
    public async Task Json_output_of_a_ClusterGpuBudget_contains_the_object_and_its_records()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world);
        using var output = new StringWriter();

        await ExplainCommand.RunAsync(
            world.Client,
            CommandsWorld.BursarNamespace,
            "",
            Name,
            json: true,
            output,
            TextWriter.Null,
            CancellationToken.None
        );

        var json = JsonNode.Parse(output.ToString())!;
        ((string?)json["budget"]!["kind"]).Should().Be("ClusterGpuBudget");
        ((string?)json["budget"]!["spec"]!["namespaces"]![0]).Should().Be(CommandsWorld.Team);
        ((string?)json["ledger"]![0]!["suspensions"]![0]!["namespace"]).Should().Be(CommandsWorld.OtherTeam);
    }

    [Fact]
    public async Task Cost_is_explained_over_all_namespaces_of_a_ClusterGpuBudget()
    {
        await using var world = await CommandsWorld.StartAsync();
        var budget = await world.CreateClusterBudgetAsync(Name, "100", CommandsWorld.Team, "deleted-team");
        await SetStatusAsync(
            world,
            """
            {"observedGeneration": 1, "state": "OnTrack", "currency": "USD", "limit": "100", "window": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}}
            """
        );
        const string card = "NVIDIA-A100-SXM4-40GB";
        var start = new DateTimeOffset(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
        var ledger = new GpuLedger();
        ledger.Install(start);
        ledger.Reprice(card, GpuHourPrice.FromDecimal(3m), start);
        ledger.ObserveNode("n1", card, 8, start);
        foreach (var ns in (string[])[CommandsWorld.Team, "deleted-team", CommandsWorld.OtherTeam])
            ledger.Observe(
                new()
                {
                    Uid = $"p-{ns}",
                    Pod = "train-x",
                    Workload = new(ns, "Job", "train", $"w-{ns}"),
                    Class = WorkloadClass.Training,
                    Labels = new Dictionary<string, string>(),
                    Node = "n1",
                    Product = card,
                    Gpus = 1,
                    ScheduledAt = start,
                    ObservedAt = start,
                }
            );
        await world.StoreAsync(ledger);
        var state = new OperatorState();
        state.SetBudgetMemory(
            "",
            Name,
            budget.Metadata.Uid,
            new()
            {
                Spec = SpecRefusal.Store(budget),
                SpecGeneration = 1,
                Namespaces = ["deleted-team", CommandsWorld.Team],
            }
        );
        await world.StoreAsync(state);

        var text = await ExplainAsync(world, "");

        text.Should().Contain("\n  team-vision/Job/train  ").And.Contain("\n  deleted-team/Job/train  ");
        text.Should().NotContain("team-speech");
    }

    [Fact]
    public async Task Workload_is_explained_by_each_budget_that_selects_it()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world);
        await world.Client.CreateAsync(
            new V1Alpha1GpuBudget
            {
                Metadata = new() { Name = Name, Namespace = CommandsWorld.OtherTeam },
                Spec = new() { Limit = new() { Cost = "5" } },
            },
            CancellationToken.None
        );
        await world.CreateClusterBudgetAsync("elsewhere", "1", CommandsWorld.Team);

        var text = await ExplainWorkloadAsync(world, CommandsWorld.OtherTeam, "job/runaway");

        text.Should().Contain("  2 budgets select it; it runs while it fits each of them.\n");
        text.Should().Contain("\nBudget gpub/research: ").And.Contain("more: bursar explain gpub/research -n team-speech\n");
        text.Should().Contain("\nBudget cgpub/research: ").And.Contain("more: bursar explain cgpub/research\n");
        text[text.IndexOf("Budget cgpub/", StringComparison.Ordinal)..]
            .Should()
            .Contain("suspended since 2026-11-02T08:10:00Z (ProjectedOverBudget): /spec/suspend was false and is true")
            .And.Contain("it would run: raise the limit by ");
        text.Should().NotContain("elsewhere");
    }

    [Fact]
    public async Task Workload_of_the_same_name_in_another_namespace_is_not_confused()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendAsync(world);
        await world.CreateJobAsync("runaway", suspended: false);
        await SetStatusAsync(
            world,
            """
            {"observedGeneration": 1, "state": "OnTrack", "currency": "USD",
             "workloads": [{"namespace": "team-speech", "kind": "Job", "name": "runaway", "class": "training", "state": "SuspendedByBudget", "gpus": 1, "reason": "Too long."}],
             "suspended": [{"namespace": "team-speech", "kind": "Job", "name": "runaway", "since": "2026-11-02T08:10:00Z"}]}
            """
        );

        (await ExplainWorkloadAsync(world, CommandsWorld.Team, "job/runaway"))
            .Should()
            .Contain("Budget cgpub/research: OnTrack")
            .And.Contain("it is not among the workloads that the status names");
        (await ExplainWorkloadAsync(world, CommandsWorld.OtherTeam, "job/runaway")).Should().Contain("why: Too long.");
    }

    [Fact]
    public async Task ClusterGpuBudget_that_selects_the_namespace_by_label_is_listed()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.CreateJobAsync("train", suspended: false);
        await world.Client.CreateAsync(
            new V1Alpha1ClusterGpuBudget
            {
                Metadata = new() { Name = Name },
                Spec = new()
                {
                    Limit = new() { Cost = "5" },
                    NamespaceSelector = new() { MatchLabels = new Dictionary<string, string> { ["department"] = "research" } },
                },
            },
            CancellationToken.None
        );
        (await ExplainWorkloadAsync(world, CommandsWorld.Team, "job/train")).Should().Contain("No budget covers namespace team-vision");

        await world.Client.PatchAsync<V1Namespace>(
            CommandsWorld.Team,
            null,
            KubePatch.Merge((JsonObject)JsonNode.Parse("""{"metadata": {"labels": {"department": "research"}}}""")!),
            CancellationToken.None
        );

        (await ExplainWorkloadAsync(world, CommandsWorld.Team, "job/train")).Should().Contain("Budget cgpub/research: not evaluated yet");
    }

    [Fact]
    public async Task Explained_workload_notes_ClusterGpuBudgets_that_may_not_be_read()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.CreateJobAsync("train", suspended: false);
        world.Refuse("list", "clustergpubudgets");

        (await ExplainWorkloadAsync(world, CommandsWorld.Team, "job/train"))
            .Should()
            .Contain("  Namespace team-vision has no GpuBudget.\n")
            .And.Contain("note: ClusterGpuBudgets are left out: this needs the right to list clustergpubudgets.bursar.dev.")
            .And.NotContain("nothing limits");
    }

    [Fact]
    public async Task Explained_workload_uses_the_status_if_the_namespace_may_not_be_read()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.CreateJobAsync("train", suspended: false);
        foreach (var name in (string[])[Name, "unknown"])
            await world.Client.CreateAsync(
                new V1Alpha1ClusterGpuBudget
                {
                    Metadata = new() { Name = name },
                    Spec = new()
                    {
                        Limit = new() { Cost = "5" },
                        NamespaceSelector = new(),
                    },
                },
                CancellationToken.None
            );
        await SetStatusAsync(
            world,
            """{"observedGeneration": 1, "state": "OnTrack", "namespaceCount": 1, "namespaces": ["team-vision"]}"""
        );
        world.Refuse("get", "namespaces");

        (await ExplainWorkloadAsync(world, CommandsWorld.Team, "job/train"))
            .Should()
            .Contain("Budget cgpub/research: OnTrack")
            .And.Contain(
                "note: ClusterGpuBudget unknown may cover namespace team-vision too: this needs the right to get namespace team-vision."
            );
    }

    [Fact]
    public async Task Release_of_a_ClusterGpuBudget_resumes_its_workloads_in_all_namespaces_only()
    {
        await using var world = await CommandsWorld.StartAsync();
        var (cluster, team) = await SuspendForBothAsync(world);

        var (code, text) = await ReleaseAsync(world, new("", Name, DryRun: false));

        code.Should().Be(0, text);
        text.Should()
            .Contain("ClusterGpuBudget research is released: it suspends nothing until its spec changes")
            .And.Contain("until 'bursar release cgpub/research --end'");
        (await world.IsSuspendedAsync("first")).Should().BeFalse();
        (await world.IsSuspendedAsync("second", CommandsWorld.OtherTeam)).Should().BeFalse();
        (await world.IsSuspendedAsync("teams")).Should().BeTrue();
        text.Should()
            .Contain("team-vision/Job/both: stays suspended by GpuBudget team-vision/research; the record of this budget is removed");
        (await world.IsSuspendedAsync("both")).Should().BeTrue();
        (await world.SuspendedAsync()).Should().Equal("Job/both", "Job/teams");
        (await MarkAsync<V1Alpha1ClusterGpuBudget>(world, cluster)).Should().NotBeNull();
        (await MarkAsync<V1Alpha1GpuBudget>(world, team)).Should().BeNull();
    }

    [Fact]
    public async Task Release_of_a_GpuBudget_leaves_a_ClusterGpuBudget_of_the_same_name_alone()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendForBothAsync(world);

        var (code, text) = await ReleaseAsync(world, new(CommandsWorld.Team, Name, DryRun: false));

        code.Should().Be(0, text);
        text.Should().Contain("team-vision/Job/both: stays suspended by ClusterGpuBudget research; the record of this budget is removed");
        (await world.IsSuspendedAsync("teams")).Should().BeFalse();
        (await world.SuspendedAsync()).Should().Equal("Job/both", "Job/first", "Job/second");
    }

    [Fact]
    public async Task Dry_run_of_a_ClusterGpuBudget_changes_nothing()
    {
        await using var world = await CommandsWorld.StartAsync();
        var (cluster, _) = await SuspendForBothAsync(world);

        var (code, text) = await ReleaseAsync(world, new("", Name, DryRun: true));

        code.Should().Be(0);
        text.Should()
            .Contain("team-speech/Job/second: would set /spec/suspend from true back to false")
            .And.Contain("team-vision/Job/both: would stay suspended by GpuBudget team-vision/research")
            .And.NotContain("Job/teams");
        (await world.SuspendedAsync()).Should().HaveCount(5);
        (await MarkAsync<V1Alpha1ClusterGpuBudget>(world, cluster)).Should().BeNull();
    }

    [Fact]
    public async Task Ended_release_of_a_ClusterGpuBudget_removes_its_mark()
    {
        await using var world = await CommandsWorld.StartAsync();
        var budget = await world.CreateClusterBudgetAsync(Name, "2", CommandsWorld.Team);
        (await ReleaseAsync(world, new("", Name, DryRun: false)))
            .Text.Should()
            .Contain("Nothing is suspended for ClusterGpuBudget research.");
        (await MarkAsync<V1Alpha1ClusterGpuBudget>(world, budget)).Should().NotBeNull();

        var (code, text) = await ReleaseAsync(world, new("", Name, DryRun: false, End: true));

        (code, text.TrimEnd()).Should().Be((0, "ClusterGpuBudget research is not released."));
        (await MarkAsync<V1Alpha1ClusterGpuBudget>(world, budget)).Should().BeNull();
    }

    [Fact]
    public async Task Suspensions_of_a_deleted_ClusterGpuBudget_are_released_by_its_name()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendForBothAsync(world);
        await world.Client.DeleteAsync<V1Alpha1ClusterGpuBudget>(Name, null, null, CancellationToken.None);

        (await ReleaseAsync(world, new("", Name, DryRun: false))).Code.Should().Be(0);

        (await world.SuspendedAsync()).Should().Equal("Job/both", "Job/teams");
    }

    [Fact]
    public async Task Release_of_everything_includes_ClusterGpuBudgets()
    {
        await using var world = await CommandsWorld.StartAsync();
        await SuspendForBothAsync(world);

        var (code, text) = await ReleaseAsync(world, new(null, null, DryRun: false));

        code.Should().Be(0, text);
        (await world.SuspendedAsync()).Should().BeEmpty();
        foreach (var job in (string[])["first", "teams", "both"])
            (await world.IsSuspendedAsync(job)).Should().BeFalse(job);
        (await world.IsSuspendedAsync("second", CommandsWorld.OtherTeam)).Should().BeFalse();
    }

    [Fact]
    public async Task Release_of_a_ClusterGpuBudget_beside_a_running_operator_resumes_its_workloads()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        // Without a lease the command waits for 2 seconds of real time only, which may be too short on a busy machine.
        await world.StartOperatorAsync(CancellationToken.None, new() { LeaderElect = true, Identity = "one" }, restart: true);
        await world.Client.CreateAsync(
            new V1Alpha1ClusterGpuBudget
            {
                Metadata = new() { Name = Name },
                Spec = new()
                {
                    Limit = new() { Cost = "1" },
                    Namespaces = [scene.Team],
                },
            },
            CancellationToken.None
        );
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilAsync("the status shows it suspended", async () =>
            (await StatusAsync())?.Workloads is [{ State: "SuspendedByBudget" }]
        );
        using var explained = new StringWriter { NewLine = "\n" };
        await ExplainCommand.RunAsync(
            world.Client,
            ClusterWorld.OwnNamespace,
            "",
            Name,
            json: false,
            explained,
            TextWriter.Null,
            CancellationToken.None
        );
        explained.ToString().Should().Contain("replay: same result").And.NotContain("DIFFERENT");
        explained.ToString().Should().Contain($"\n  {scene.Team}/Job/too-long  training, SuspendedByBudget");

        using var output = new StringWriter { NewLine = "\n" };
        var release = ReleaseCommand.RunAsync(
            world.Client,
            ClusterWorld.OwnNamespace,
            new("", Name, DryRun: false),
            output,
            CancellationToken.None
        );
        while (!release.IsCompleted)
        {
            await scene.PassAsync(1);
            await Task.WhenAny(release, Task.Delay(50));
        }
        (await release).Should().Be(0, output.ToString());
        await scene.UntilRunsAsync("too-long");
        await scene.PassAsync(60);

        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse("the budget is released");
        var status = (await StatusAsync())!;
        status.State.Should().Be("EnforcementReleased");
        status.Conditions!.Single(one => one.Type == "Ready").Message.Should().Contain("until bursar release cgpub/research --end");

        async Task<GpuBudgetStatus?> StatusAsync() =>
            (await world.Client.GetAsync<V1Alpha1ClusterGpuBudget>(Name, null, CancellationToken.None)).Status;
    }

    [Fact]
    public async Task Breaker_that_only_a_ClusterGpuBudget_reports_is_reset()
    {
        await using var world = await CommandsWorld.StartAsync();
        await world.CreateClusterBudgetAsync(Name, "2", CommandsWorld.Team);
        await SetStatusAsync(
            world,
            """
            {"observedGeneration": 1, "conditions": [{"type": "BreakerOpen", "status": "True", "reason": "BreakerOpen", "message": "m", "lastTransitionTime": "2026-11-02T08:10:00Z"}]}
            """
        );
        using var output = new StringWriter();

        (await ResetBreakerCommand.RunAsync(world.Client, CommandsWorld.BursarNamespace, output, CancellationToken.None)).Should().Be(0);

        output.ToString().Should().Contain("The circuit breaker is reset");
    }

    /// <summary>Job runaway in the other team is suspended by the ClusterGpuBudget over both teams, with its decision.</summary>
    private static async Task SuspendAsync(CommandsWorld world)
    {
        var budget = await world.CreateClusterBudgetAsync(Name, "2", CommandsWorld.Team, CommandsWorld.OtherTeam);
        var job = await world.CreateJobAsync("runaway", suspended: true, CommandsWorld.OtherTeam);
        var snapshot = CommandsWorld.Overrun(budget, job);
        var action = BudgetDecider.Decide(snapshot).Actions.Should().ContainSingle().Subject;
        var state = new OperatorState();
        state.RecordSuspension(CommandsWorld.OfJob(job, budget));
        state.AddDecision(
            "",
            Name,
            budget.Metadata.Uid,
            new()
            {
                Time = CommandsWorld.Decided,
                Action = action.Kind.ToString(),
                Object = action.Workload.DisplayName(""),
                Reason = action.Reason,
                Text = action.Sentence,
                Inputs = JsonSerializer.Serialize(snapshot, DecisionJson.Default.BudgetSnapshot),
            }
        );
        await world.StoreAsync(state);
    }

    /// <summary>
    /// The ClusterGpuBudget suspends first, second and both; the GpuBudget of the same name in the first team suspends teams and both.
    /// </summary>
    private static async Task<(V1Alpha1ClusterGpuBudget Cluster, V1Alpha1GpuBudget Team)> SuspendForBothAsync(CommandsWorld world)
    {
        var cluster = await world.CreateClusterBudgetAsync(Name, "2", CommandsWorld.Team, CommandsWorld.OtherTeam);
        var team = await world.CreateBudgetAsync(Name, "2");
        var state = new OperatorState();
        var both = await world.CreateJobAsync("both", suspended: true);
        state.RecordSuspension(CommandsWorld.OfJob(await world.CreateJobAsync("first", suspended: true), cluster));
        state.RecordSuspension(
            CommandsWorld.OfJob(await world.CreateJobAsync("second", suspended: true, CommandsWorld.OtherTeam), cluster)
        );
        state.RecordSuspension(CommandsWorld.OfJob(await world.CreateJobAsync("teams", suspended: true), team));
        state.RecordSuspension(CommandsWorld.OfJob(both, cluster));
        state.RecordSuspension(CommandsWorld.OfJob(both, team));
        await world.StoreAsync(state);
        return (cluster, team);
    }

    private static async Task<string?> MarkAsync<T>(CommandsWorld world, T budget)
        where T : BudgetObject, IKubernetesEntity<T> =>
        (
            await world.Client.GetAsync<T>(budget.Metadata.Name, budget.Metadata.Namespace, CancellationToken.None)
        ).Metadata.Annotations.GetValueOrDefault("bursar.dev/released");

    private static Task SetStatusAsync(CommandsWorld world, string status) =>
        world.Client.PatchAsync<V1Alpha1ClusterGpuBudget>(
            Name,
            null,
            KubePatch.Merge(new JsonObject { ["status"] = JsonNode.Parse(status) }) with
            {
                Subresource = "status",
            },
            CancellationToken.None
        );

    private static async Task<string> ExplainAsync(CommandsWorld world, string ns)
    {
        using var output = new StringWriter { NewLine = "\n" };
        (
            await ExplainCommand.RunAsync(
                world.Client,
                CommandsWorld.BursarNamespace,
                ns,
                Name,
                json: false,
                output,
                TextWriter.Null,
                CancellationToken.None
            )
        )
            .Should()
            .Be(0);
        return output.ToString();
    }

    private static async Task<string> ExplainWorkloadAsync(CommandsWorld world, string ns, string named)
    {
        using var output = new StringWriter { NewLine = "\n" };
        (
            await ExplainWorkload.RunAsync(
                world.Client,
                CommandsWorld.BursarNamespace,
                ns,
                WorkloadName.TryParse(named)!,
                json: false,
                output,
                output,
                CancellationToken.None
            )
        )
            .Should()
            .Be(0);
        return output.ToString();
    }

    private static async Task<(int Code, string Text)> ReleaseAsync(CommandsWorld world, ReleaseRequest request)
    {
        using var output = new StringWriter { NewLine = "\n" };
        var code = await ReleaseCommand.RunAsync(world.Client, CommandsWorld.BursarNamespace, request, output, CancellationToken.None);
        return (code, output.ToString());
    }
}
