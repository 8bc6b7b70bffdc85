using System.Text.Json;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Steps of the tests with two budgets over one job.</summary>
internal static class TwoBudgets
{
    private static CancellationToken Ct => CancellationToken.None;

    public static async Task NeedBothToResumeAsync(Scene scene, Func<Task>? whileHeld = null)
    {
        await SuspendedByBothAsync(scene);

        await scene.SetLimitAsync("100", "a");
        await UntilWaitsForAsync(scene, "a", "b");
        await scene.PassAsync(15);
        (await scene.IsSuspendedAsync("shared")).Should().BeTrue("b does not cover it");
        (await WorkAsync(scene, "a", "shared")).Reason.Should().ContainAll("budget b", "6.12 USD");
        (await scene.StatusAsync("a"))!.Reserved.Should().Be("0.000000", "it keeps nothing for a job that another budget stops");
        (await scene.StatusAsync("b"))!.Suspended!.Select(s => s.Name).Should().Equal("shared");
        (await WorkAsync(scene, "b", "shared")).State.Should().Be("SuspendedByBudget");
        (await scene.EventsAsync("SuspendedByOtherBudget", "shared"))
            .Should()
            .Contain(e => e.Note!.Contains("Budget a ") && e.Note.Contains("budget b "));
        (await scene.EventsAsync("Resumed", "shared")).Should().BeEmpty();
        if (whileHeld is not null)
            await whileHeld();

        await scene.SetLimitAsync("100", "b");
        await scene.UntilResumedAsync("shared");
        await scene.UntilAsync("no budget suspends it", async () =>
            (await scene.StatusAsync("a"))?.SuspendedCount == 0 && (await scene.StatusAsync("b"))?.SuspendedCount == 0
        );
        await scene.PassAsync(15);
        (await GenerationAsync(scene)).Should().Be(3, "one change of state each way");
        (await SuspendedAsync(scene.World)).Should().NotContain(one => one.EndsWith("/shared", StringComparison.Ordinal));
        (await scene.World.JobAsync(scene.Team, "shared", Ct)).Metadata.Annotations.Should().NotContainKey("bursar.dev/suspended-by");
    }

    public static async Task BudgetsAsync(Scene scene, string a, string b)
    {
        await scene.BudgetAsync(a, name: "a");
        await scene.BudgetAsync(b, name: "b");
        await BothSeenAsync(scene);
    }

    public static Task BothSeenAsync(Scene scene) =>
        scene.UntilAsync("both are seen", async () => await scene.StatusAsync("a") is not null && await scene.StatusAsync("b") is not null);

    public static async Task SuspendedByBothAsync(Scene scene)
    {
        await BudgetsAsync(scene, "1", "1");
        await scene.JobAsync("shared", declared: "2h");
        await scene.UntilSuspendedAsync("shared");
        await scene.UntilAsync("both suspend it", async () =>
            (await scene.StatusAsync("a"))?.SuspendedCount == 1 && (await scene.StatusAsync("b"))?.SuspendedCount == 1
        );
        (await GenerationAsync(scene)).Should().Be(2, "the second write was none");
        foreach (var (name, other) in new[] { ("a", "b"), ("b", "a") })
            await scene.UntilAsync(
                $"the status of {name} names {other} too",
                async () => (await WorkAsync(scene, name, "shared")).Reason!.Contains($"budget {other}", StringComparison.Ordinal),
                TimeSpan.FromSeconds(90)
            );
    }

    /// <summary>Waits until a budget covers the job and only waits for the other one.</summary>
    public static Task UntilWaitsForAsync(Scene scene, string budget, string other) =>
        scene.UntilAsync($"{budget} waits for {other}", async () =>
            (await scene.StatusAsync(budget))?.Workloads?.Any(work =>
                work.Reason?.StartsWith(
                    $"SuspendedByOtherBudget: Budget {budget} would resume it, and it does not fit budget {other} yet",
                    StringComparison.Ordinal
                ) == true
            ) == true
        );

    public static async Task<long> GenerationAsync(Scene scene, string job = "shared") =>
        (await scene.World.JobAsync(scene.Team, job, Ct)).Metadata.Generation;

    public static async Task<GpuBudgetWorkload?> WorkOrNullAsync(Scene scene, string budget, string job) =>
        (await scene.StatusAsync(budget))?.Workloads?.FirstOrDefault(w => w.Name == job);

    public static async Task<GpuBudgetWorkload> WorkAsync(Scene scene, string budget, string job) =>
        (await scene.StatusAsync(budget))!.Workloads!.Single(w => w.Name == job);

    /// <summary>The suspensions in the stored ledger, as <c>budget/work</c>.</summary>
    public static async Task<IReadOnlyList<string>> SuspendedAsync(ClusterWorld world)
    {
        // The last change of a record is stored with the act; what only was seen is stored at the ledger's pace.
        var shards = await world.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = ClusterWorld.OwnNamespace }, Ct);
        return
        [
            .. shards
                .Items.Select(i => i.Spec!.Data.Deserialize(LedgerJson.Default.LedgerShard)!)
                .SelectMany(s => s.Suspensions ?? [])
                .Select(p => $"{p.Budget}/{p.Name}")
                .Order(StringComparer.Ordinal),
        ];
    }
}

/// <summary>
/// Two budgets over one job: both must agree, the stricter one decides, and the status of each reports it. A job's generation counts the
/// changes of its field: 1 as created, 2 after one suspension, 3 after one resume. More would be flapping.
/// </summary>
public sealed class TwoBudgetsTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Job_that_fits_neither_budget_is_suspended_by_both_and_resumes_when_both_agree()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await TwoBudgets.NeedBothToResumeAsync(scene, async () =>
        {
            using var explained = new StringWriter();
            (
                await ExplainCommand.RunAsync(
                    world.Client,
                    ClusterWorld.OwnNamespace,
                    scene.Team,
                    "a",
                    json: false,
                    explained,
                    TextWriter.Null,
                    Ct
                )
            )
                .Should()
                .Be(0);
            explained.ToString().Should().Contain("Job/shared  training, SuspendedByBudget").And.Contain("it does not fit budget b yet");
        });
    }

    [Fact]
    public async Task Stricter_budget_decides_and_the_other_reserves_nothing()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await TwoBudgets.BudgetsAsync(scene, "1", "20");
        await scene.JobAsync("shared", declared: "2h");
        await scene.UntilSuspendedAsync("shared");
        await scene.UntilAsync("b names the budget that suspends it", async () =>
            (await TwoBudgets.WorkOrNullAsync(scene, "b", "shared"))?.State == "SuspendedByOtherBudget"
        );
        await scene.PassAsync(10);
        (await scene.StatusAsync("b"))!.SuspendedCount.Should().Be(0);
        (await scene.StatusAsync("b"))!.Reserved.Should().Be("0.000000");

        await scene.SetLimitAsync("100", "a");
        await scene.UntilResumedAsync("shared");
        await scene.PassAsync(15);
        (await TwoBudgets.GenerationAsync(scene)).Should().Be(3);
        await scene.SetLimitAsync("0.001", "b");
        await scene.UntilSuspendedAsync("shared");
        var spent = await scene.FinalSpentAsync("a");
        (await scene.FinalSpentAsync("b")).Should().Be(spent, "its cost counts in both").And.NotBe("0.000000");
        var now = world.Time.GetUtcNow();
        world
            .Operator!.Ledger.Spent(scene.Team, Bursar.Core.Text.LabelSelector.Everything, now.AddDays(-1), now, now)
            .ToString()
            .Should()
            .Be(spent, "the pods are billed once, although two budgets count them");
    }

    [Fact]
    public async Task Sentence_on_a_job_names_the_budget_that_suspends_it_and_the_amount_is_enough()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        // The larger one is the first by name and is exceeded by nothing.
        await TwoBudgets.BudgetsAsync(scene, "100", "1");
        await scene.JobAsync("shared", declared: "2h");
        var note = (await scene.UntilEventAsync("Suspended", "shared")).Note!;

        note.Should().Contain("Budget b has ").And.Contain(" of 1.00 USD left").And.NotContainEquivalentOf("budget a");
        var limit = System.Text.RegularExpressions.Regex.Match(note, @"the limit of budget b .*? ([0-9.]+) USD").Groups[1].Value;
        limit.Should().NotBeEmpty();
        (await TwoBudgets.WorkAsync(scene, "b", "shared")).Reason.Should().ContainAll("the limit of budget b", $" {limit} USD");
        await scene.UntilAsync("a names the budget that suspends it", async () =>
            (await TwoBudgets.WorkOrNullAsync(scene, "a", "shared"))?.Reason?.StartsWith(
                "SuspendedByOtherBudget: ",
                StringComparison.Ordinal
            ) == true
        );
        (await TwoBudgets.WorkAsync(scene, "a", "shared")).Reason.Should().NotContain("raise the limit");
        (await scene.EventsAsync("Suspended", "a")).Should().BeEmpty();
        (await scene.EventsAsync("Suspended", "b"))
            .Should()
            .ContainSingle()
            .Which.Note.Should()
            .StartWith("Job/shared: ")
            .And.NotContain("Suspended", "the reason has the verb already");

        await scene.SetLimitAsync("200", "a");
        await scene.PassAsync(15);
        (await scene.IsSuspendedAsync("shared")).Should().BeTrue("b suspends it");
        await scene.SetLimitAsync(limit, "b");
        await scene.UntilResumedAsync("shared");
    }

    /// <summary>
    /// Budget b keeps nothing for a job that a suspends, so another job runs. From then on b does not cover the first one, and it is not
    /// started by a alone.
    /// </summary>
    [Fact]
    public async Task Budget_lets_other_jobs_run_while_a_job_waits_for_another_budget()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1", """{"selector": {"matchLabels": {"app": "shared"}}}""", name: "a");
        await scene.BudgetAsync("12", name: "b");
        await TwoBudgets.BothSeenAsync(scene);
        await scene.JobAsync("shared", declared: "2h");
        await scene.UntilSuspendedAsync("shared");
        await scene.JobAsync("other", declared: "2h", runFor: "3m");
        await scene.UntilRunsAsync("other");
        await scene.UntilAsync("b suspends it too, because the other job uses its budget", async () =>
            (await scene.StatusAsync("b"))?.Suspended?.Any(s => s.Name == "shared") == true
        );
        await scene.SetLimitAsync("100", "a");
        await TwoBudgets.UntilWaitsForAsync(scene, "a", "b");
        await scene.PassAsync(10);
        (await TwoBudgets.GenerationAsync(scene)).Should().Be(2, "to start it would be to stop it again at once");

        await scene.UntilAsync(
            "other is done",
            async () => (await world.JobAsync(scene.Team, "other", Ct)).Status.Succeeded == 1,
            TimeSpan.FromMinutes(5)
        );
        await scene.UntilResumedAsync("shared");
        await scene.PassAsync(30);
        (await TwoBudgets.GenerationAsync(scene)).Should().Be(3);
    }

    /// <summary>
    /// Each job is suspended by another budget, and both fit both budgets once one of them is raised. Two budgets that kept their limit for
    /// each other's job would start neither.
    /// </summary>
    [Fact]
    public async Task Jobs_that_wait_for_different_budgets_do_not_block_each_other()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync(
            "13",
            """{"selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "z"]}]}}""",
            name: "a"
        );
        await scene.BudgetAsync(
            "1",
            """{"selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]}}""",
            name: "b"
        );
        await TwoBudgets.BothSeenAsync(scene);
        // Budget b never covers x, and a covers one of the two only.
        await scene.JobAsync("x", declared: "3h");
        await scene.UntilSuspendedAsync("x");
        await scene.JobAsync("z", declared: "3h");
        await scene.UntilRunsAsync("z");
        await scene.PassAsync(20);
        (await scene.IsSuspendedAsync("z")).Should().BeFalse("nothing is kept for x");
        (await scene.IsSuspendedAsync("x")).Should().BeTrue();
    }

    [Fact]
    public async Task Deployment_of_two_budgets_is_restored_to_its_replicas_before_the_first()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        const string zero = """{"inference": {"whenExhausted": "Zero"}}""";
        await scene.BudgetAsync("0.01", zero, "a");
        await scene.BudgetAsync("0.01", zero, "b");
        await world.CreateDeploymentAsync(scene.Team, "chat", 3, 1, Ct);
        await scene.UntilAsync("chat is scaled to zero", async () => await scene.ReplicasAsync("chat") == 0);
        await scene.UntilAsync("a suspends it", async () => (await scene.StatusAsync("a"))?.SuspendedCount == 1);
        await scene.PassAsync(30);

        await scene.SetLimitAsync("100", "a");
        await TwoBudgets.UntilWaitsForAsync(scene, "a", "b");
        await scene.SetLimitAsync("100", "b");
        await scene.UntilAsync("chat is back", async () => await scene.ReplicasAsync("chat") == 3);
        await scene.PassAsync(30);
        (await scene.ReplicasAsync("chat")).Should().Be(3);
        (await TwoBudgets.SuspendedAsync(world)).Should().BeEmpty();
    }

    [Fact]
    public async Task Deletion_of_one_of_two_budgets_keeps_the_job_suspended_by_the_other()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await TwoBudgets.SuspendedByBothAsync(scene);

        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("a", scene.Team, null, Ct);
        await scene.UntilAsync(
            "its record is gone",
            async () => (await TwoBudgets.SuspendedAsync(world)) is ["b/shared"],
            TimeSpan.FromSeconds(40)
        );
        await scene.UntilAsync("the annotation names the other budget", async () =>
            (await world.JobAsync(scene.Team, "shared", Ct)).Metadata.Annotations["bursar.dev/suspended-by"] == "gpubudget/b"
        );
        await scene.PassAsync(30);
        (await TwoBudgets.GenerationAsync(scene)).Should().Be(2);

        await scene.SetLimitAsync("100", "b");
        await scene.UntilResumedAsync("shared");
        await scene.PassAsync(20);
        (await TwoBudgets.GenerationAsync(scene)).Should().Be(3);
    }

    /// <summary>Replaced budgets take over: what does not fit the new one either is not started to be stopped again.</summary>
    [Theory]
    [InlineData("a")] // recreated under its name with another UID
    [InlineData("renamed")]
    public async Task Recreated_budget_adopts_its_predecessors_suspensions_and_changes_no_total(string name)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1", name: "a");
        await scene.JobAsync("ran", declared: "30s", runFor: "30s");
        await scene.UntilAsync("ran is done", async () => (await world.JobAsync(scene.Team, "ran", Ct)).Status.Succeeded == 1);
        await scene.JobAsync("shared", declared: "2h");
        await scene.UntilSuspendedAsync("shared");
        var spent = await scene.FinalSpentAsync("a");

        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("a", scene.Team, null, Ct);
        await scene.BudgetAsync("1", name: name);
        await scene.UntilAsync("the new one suspends it", async () => (await scene.StatusAsync(name))?.Suspended is [{ Name: "shared" }]);
        await scene.PassAsync(60);
        (await TwoBudgets.GenerationAsync(scene)).Should().Be(2, "it was never started");
        (await scene.FinalSpentAsync(name)).Should().Be(spent);
        (await TwoBudgets.SuspendedAsync(world)).Should().Equal($"{name}/shared");

        await scene.SetLimitAsync("100", name);
        await scene.UntilResumedAsync("shared");
        await scene.PassAsync(20);
        (await TwoBudgets.GenerationAsync(scene)).Should().Be(3);
    }

    [Fact]
    public async Task Recreated_budget_that_can_afford_them_resumes_suspended_workloads_once()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1", name: "a");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync("a") is not null);
        await scene.JobAsync("shared", declared: "2h");
        await scene.UntilSuspendedAsync("shared");

        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("a", scene.Team, null, Ct);
        await scene.BudgetAsync("50", name: "a");
        await scene.UntilResumedAsync("shared");
        await scene.PassAsync(90);
        (await TwoBudgets.GenerationAsync(scene)).Should().Be(3);
        (await TwoBudgets.SuspendedAsync(world)).Should().BeEmpty();
    }

    [Fact]
    public async Task Job_released_for_one_of_two_budgets_stays_suspended_until_released_for_all()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await TwoBudgets.SuspendedByBothAsync(scene);
        await world.StopOperatorAsync();

        using var text = new StringWriter();
        (await ReleaseCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, new(scene.Team, "a", DryRun: true), text, Ct))
            .Should()
            .Be(0);
        text.ToString().Should().Contain("would stay suspended by GpuBudget team/b");
        (await ReleaseCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, new(scene.Team, "a", DryRun: false), text, Ct))
            .Should()
            .Be(0);
        (await scene.IsSuspendedAsync("shared")).Should().BeTrue();
        (await TwoBudgets.SuspendedAsync(world)).Should().Equal("b/shared");
        (await ReleaseCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, new(scene.Team, "b", DryRun: false), text, Ct))
            .Should()
            .Be(0);
        (await scene.IsSuspendedAsync("shared")).Should().BeFalse();
        (await TwoBudgets.SuspendedAsync(world)).Should().BeEmpty();
    }
}
