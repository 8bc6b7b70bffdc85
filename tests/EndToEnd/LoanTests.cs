using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Operator.Hosting;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>The steps of the tests with loans between budgets of one department.</summary>
internal static class Loans
{
    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>Creates a department over the scene's team, which borrows, and a team that lends.</summary>
    /// <param name="scene">The team that borrows.</param>
    /// <param name="window">The window of all; null for the default of the cluster.</param>
    /// <param name="limit">The limit of each team.</param>
    /// <param name="department">The limit of the department.</param>
    /// <param name="borrows">Whether the team may borrow from the beginning.</param>
    /// <param name="lendersWindow">Another window of the lender.</param>
    public static async Task<Scene> DepartmentAsync(
        Scene scene,
        string? window = null,
        string limit = "60",
        string department = "100",
        bool borrows = true,
        string? lendersWindow = null
    )
    {
        static string? Spec(string? field, string? window) =>
            (field, window) switch
            {
                (null, null) => null,
                (_, null) => $"{{{field}}}",
                (null, _) => $"{{\"window\": {window}}}",
                _ => $"{{{field}, \"window\": {window}}}",
            };
        var lender = await Scene.OpenAsync(scene.World, $"{scene.Team}-lender");
        await scene.BudgetAsync(limit, Spec(borrows ? Borrowing : null, window));
        await lender.BudgetAsync(limit, Spec("\"lending\": {\"limit\": \"30\"}", lendersWindow ?? window));
        await ClusterBudgets.CreateAsync(
            scene.World,
            scene.Team,
            department,
            $""" "namespaces": ["{scene.Team}", "{lender.Team}"], "window": {window ?? Always} """
        );
        await lender.UntilAsync("the lender is evaluated", async () => (await lender.StatusAsync())?.Limit is not null);
        return lender;
    }

    public const string Borrowing = "\"borrowing\": {\"limit\": \"30\"}";

    private const string Always = """{"period": "Once", "start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}""";

    public static decimal Parse(string? amount) => amount is null ? 0 : decimal.Parse(amount, CultureInfo.InvariantCulture);

    /// <summary>A job of 61.20 USD does not fit 60 USD, and runs on a loan that both statuses show.</summary>
    public static async Task JobRunsOnALoanAsync(Scene scene, Scene lender)
    {
        await scene.JobAsync("train", declared: "20h");
        await scene.UntilAsync("it borrows", async () => await scene.StatusAsync() is { Loans.Count: 1 });
        await scene.UntilRunsAsync("train");

        (await scene.UntilEventAsync("Borrowed", "train")).Note.Should().Contain($"from {lender.Team}/b");
        await scene.UntilEventAsync("Borrowed", "b");
        await lender.UntilEventAsync("Lent", "b");
        var (borrower, status) = ((await scene.StatusAsync())!, (await lender.StatusAsync())!);
        await lender.UntilAsync("both statuses show the loan", async () =>
        {
            (borrower, status) = ((await scene.StatusAsync())!, (await lender.StatusAsync())!);
            return borrower.Loans is [var one]
                && status.Loans is [var same]
                && JsonSerializer.Serialize(one) == JsonSerializer.Serialize(same)
                && borrower.Borrowed == one.Lent
                && status.Lent == one.Lent;
        });
        borrower.Loans!.Single().Should().BeEquivalentTo(new { Lender = $"{lender.Team}/b", Borrower = $"{scene.Team}/b" });
        Parse(borrower.Borrowed).Should().BeInRange(1, 30);
        (Parse(borrower.Limit), Parse(status.Limit)).Should().Be((60 + Parse(borrower.Borrowed), 60 - Parse(borrower.Borrowed)));
        borrower.Owed.Should().Be(borrower.Borrowed);
        borrower.SuspendedCount.Should().Be(0);
    }

    public static async Task DeleteAsync(Scene scene, Scene lender)
    {
        await scene.World.Client.DeleteAsync<V1Alpha1ClusterGpuBudget>(scene.Team, null, null, Ct);
        await scene.World.Client.DeleteAsync<V1Namespace>(lender.Team, null, null, Ct);
    }

    public static Task SetAsync(Scene scene, string spec) =>
        scene.World.Client.PatchAsync<V1Alpha1GpuBudget>("b", scene.Team, KubePatch.Merge(JsonNode.Parse($$"""{"spec": {{spec}}}""")!), Ct);
}

public sealed class LoanTests
{
    private static readonly OperatorOptions First = new() { Identity = "first" };
    private static readonly OperatorOptions Second = new() { Identity = "second" };

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Job_runs_on_a_loan_that_both_budgets_show()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var lender = await Loans.DepartmentAsync(scene);

        await Loans.JobRunsOnALoanAsync(scene, lender);

        using var explained = new StringWriter();
        await ExplainCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, scene.Team, "b", false, explained, TextWriter.Null, Ct);
        explained.ToString().Should().Contain("of it is borrowed").And.Contain("team-lender/b to team/b");
        await scene.UntilAsync("the metric shows the loan", async () =>
        {
            var borrowed = Loans.Parse((await scene.StatusAsync())!.Borrowed);
            return (await world.MetricsAsync(Ct))
                .Where(sample => sample.Name == "bursar_budget_loan" && sample.Label("amount") == "lent")
                .Select(sample => (sample.Label("namespace"), sample.Label("budget"), sample.Label("lender"), (decimal)sample.Value))
                .SequenceEqual([("team", "b", "team-lender/b", borrowed)]);
        });

        // The job ends early. What it did not use returns, also after a restart.
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await world.Client.RequestAsync(HttpMethod.Delete, $"/apis/batch/v1/namespaces/{scene.Team}/jobs/train", null, Ct);
        await lender.UntilAsync("the loan is returned", async () => await lender.StatusAsync() is { Lent: null, Limit: "60.000000" });
        await scene.UntilAsync("the borrower shows it", async () => (await scene.StatusAsync())!.Limit == "60.000000");
    }

    [Fact]
    public async Task Budget_whose_own_jobs_wait_lends_nothing()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var lender = await Loans.DepartmentAsync(scene);
        await lender.JobAsync("large", declared: "40h");
        await lender.UntilSuspendedAsync("large");
        await scene.JobAsync("train", declared: "20h");
        await scene.UntilSuspendedAsync("train");

        await scene.UntilAsync("the status names the reason", async () =>
            (await scene.StatusAsync())?.LoanRefusals?.SequenceEqual(["team-lender/b: its own workloads wait for budget"]) == true
        );
        await scene.PassAsync(60);
        (await scene.IsSuspendedAsync("train")).Should().BeTrue();
        (await scene.StatusAsync())!.Borrowed.Should().BeNull();
    }

    /// <summary>Half an hour of two GPUs costs 3.06, of which 1.06 is beyond the limit of 2.</summary>
    [Fact]
    public async Task Used_part_is_repaid_from_the_next_window()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var lender = await Loans.DepartmentAsync(scene, """{"period": "Hour"}""", "2");
        await world.CreateJobAsync(scene.Team, "train", 2, Ct, ("bursar.dev/expected-duration", "30m"), ("sim.bursar.dev/run-for", "30m"));
        await scene.UntilRunsAsync("train");
        await scene.UntilAsync(
            "it has ended",
            async () => (await world.JobAsync(scene.Team, "train", Ct)).Status.Succeeded == 1,
            TimeSpan.FromMinutes(40)
        );
        var used = 0m;
        await scene.UntilAsync("the unused part is returned", async () =>
        {
            var ended = (await scene.StatusAsync())!;
            used = Loans.Parse(ended.Spent) - 2;
            return used > 1 && Loans.Parse(ended.Borrowed) - used is >= 0 and < 0.1m;
        });

        await lender.UntilAsync(
            "the next hour repays the loan",
            async () => await lender.StatusAsync() is { Loans: [{ Repaid: not "0.000000" }] },
            TimeSpan.FromMinutes(40)
        );
        await scene.UntilAsync("the borrower shows it", async () => await scene.StatusAsync() is { Loans: [{ Repaid: not "0.000000" }] });
        var (borrower, status) = ((await scene.StatusAsync())!, (await lender.StatusAsync())!);
        var loan = borrower.Loans!.Single();
        Loans.Parse(loan.Repaid).Should().BeApproximately(used, 0.000001m);
        (loan.Lent, loan.Owed, borrower.Borrowed, borrower.Owed).Should().Be(("0.000000", "0.000000", null, null));
        (Loans.Parse(borrower.Limit) + Loans.Parse(status.Limit)).Should().Be(4);
        Loans.Parse(status.Limit).Should().BeApproximately(2 + used, 0.000001m);
        await scene.UntilEventAsync("LoanRepaid", "b");
        await lender.UntilEventAsync("LoanRepaid", "b");

        await scene.UntilAsync(
            "the hour after has no loan",
            async () => await scene.StatusAsync() is { Loans: null, Limit: "2.000000" },
            TimeSpan.FromMinutes(70)
        );
        await lender.UntilAsync("neither has the lender", async () => await lender.StatusAsync() is { Loans: null, Limit: "2.000000" });
    }

    [Fact]
    public async Task Job_that_the_department_does_not_cover_borrows_nothing()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var lender = await Loans.DepartmentAsync(scene, department: "50");

        await scene.JobAsync("train", declared: "20h");
        await scene.UntilSuspendedAsync("train");
        await scene.PassAsync(60);

        (await scene.StatusAsync())!.Loans.Should().BeNull();
        (await lender.StatusAsync())!.Limit.Should().Be("60.000000");
        await ClusterBudgets.SetLimitAsync(world, scene.Team, "100");
        await scene.UntilResumedAsync("train", TimeSpan.FromMinutes(2));
        await scene.UntilAsync("it runs on a loan", async () => await scene.StatusAsync() is { Loans.Count: 1 });
    }

    [Fact]
    public async Task Budget_that_cannot_lend_says_why()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await Loans.DepartmentAsync(scene, lendersWindow: """{"period": "Week"}""");
        await scene.JobAsync("train", declared: "20h");
        await scene.UntilSuspendedAsync("train");

        await scene.UntilAsync("the status says why", async () =>
            (await scene.StatusAsync())!.LoanRefusals is ["team-lender/b: its window is not the same as that of this budget"]
        );
        await world.Client.PatchAsync<V1Alpha1ClusterGpuBudget>(
            scene.Team,
            null,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["mode"] = "Observe" } }),
            Ct
        );
        await scene.UntilAsync("it says that no department limits them", async () =>
            (await scene.StatusAsync())!.LoanRefusals is [var refusal]
            && refusal.StartsWith("no ClusterGpuBudget in mode Enforce selects", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task Loan_stays_when_the_department_disappears_and_the_lender_lends_no_more()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var lender = await Loans.DepartmentAsync(scene);
        await Loans.JobRunsOnALoanAsync(scene, lender);

        await Loans.SetAsync(lender, """{"lending": null}""");
        await world.Client.DeleteAsync<V1Alpha1ClusterGpuBudget>(scene.Team, null, null, Ct);
        await scene.PassAsync(120);

        (await scene.RunsAsync("train")).Should().BeTrue();
        (await scene.StatusAsync())!.Loans.Should().ContainSingle();
        (await lender.StatusAsync())!.Loans.Should().ContainSingle();
    }

    [Fact]
    public async Task Loan_of_a_budget_that_changes_its_unit_is_left_out_and_announced()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var lender = await Loans.DepartmentAsync(scene);
        await Loans.JobRunsOnALoanAsync(scene, lender);
        var limit = (await lender.StatusAsync())!.Limit;

        await Loans.SetAsync(scene, """{"limit": {"cost": null, "gpuHours": "200"}}""");

        await scene.UntilAsync("its limit has no loan", async () => await scene.StatusAsync() is { Limit: "200.000000", Loans: null });
        (await scene.UntilEventAsync("LoanInOtherUnit", "b")).Note.Should().ContainAll("team-lender/b", "GPU-hours");
        (await scene.RunsAsync("train")).Should().BeTrue();
        (await lender.StatusAsync())!.Limit.Should().Be(limit);
        (await StoredLoansAsync(scene)).Single().Unit.Should().Be(UsageUnit.Cost);
    }

    /// <summary>The department's pass runs while the loan that the team's budget relies on is being written.</summary>
    [Fact]
    public async Task Gated_job_starts_only_after_its_loan_is_stored()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await Loans.DepartmentAsync(scene);
        await scene.PassAsync(30);
        scene.Sandbox.Server.Faults.Add(
            new(new Fault.Delay(TimeSpan.FromSeconds(20)))
            {
                Verb = "patch",
                Resource = "gpuledgers",
                PathPart = $"/gpuledgers/{scene.Team}.",
                Times = 1,
            }
        );
        await scene.CreateAsync(
            V1Job.EntityKind.Path(scene.Team),
            """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "train", "annotations": {"bursar.dev/expected-duration": "20h", "bursar.dev/gated-on-creation": "absent"}},
             "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );

        var seen = 0;
        await scene.UntilAsync("the loan is stored", async () =>
        {
            // The job is read first, so that a loan that is stored in between is no failure.
            var runs = !await scene.IsSuspendedAsync("train");
            var stored = (await StoredLoansAsync(scene)).Count > 0;
            (runs && !stored).Should().BeFalse("a job relies on a loan only once it is stored");
            seen += stored ? 0 : 1;
            return stored;
        });
        seen.Should().BeGreaterThan(10, "the write of the loan was slow");
        await scene.UntilRunsAsync("train");
    }

    /// <summary>The operator is cut off at a write, and another one takes over. The job resumes on one loan.</summary>
    [Theory]
    [InlineData("gpuledgers", false)] // before the ledger holds the loan
    [InlineData("gpuledgers", true)] // the ledger holds it, and nothing else is done
    [InlineData("jobs", false)] // between the ledger and the resume
    [InlineData("jobs", true)] // the job is resumed, and the operator does not know
    public async Task Kill_around_a_loan_makes_one_loan(string resource, bool happens)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(Ct, First);
        var lender = await Loans.DepartmentAsync(scene, borrows: false);
        await scene.JobAsync("train", declared: "20h");
        await scene.UntilSuspendedAsync("train");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.PassAsync(30);

        var client = $"({First.Identity})";
        scene.Sandbox.Server.Faults.Add(
            new(happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
            {
                Client = client,
                Resource = resource,
                Verb = "patch",
                PathPart = resource == "gpuledgers" ? $"/gpuledgers/{scene.Team}." : "",
                Times = 1,
                Then = new(new Fault.Answer(500)) { Client = client },
            }
        );
        await Loans.SetAsync(scene, $"{{{Loans.Borrowing}}}");
        await scene.UntilAsync(
            "the operator is cut off",
            () => Task.FromResult(scene.Sandbox.Server.Faults.Shown >= 1),
            TimeSpan.FromSeconds(150)
        );
        await world.AbandonOperatorAsync();
        (await scene.IsSuspendedAsync("train")).Should().Be(!(resource == "jobs" && happens));
        (await StoredLoansAsync(scene)).Should().HaveCount(resource == "jobs" || happens ? 1 : 0);
        await world.StartOperatorAsync(Ct, Second);

        await scene.UntilResumedAsync("train");
        await scene.UntilAsync("both statuses show one loan", async () =>
            await scene.StatusAsync() is { Loans: [var loan], SuspendedCount: 0 } borrower
            && await lender.StatusAsync() is { Loans: [var same] } status
            && loan.Lent == same.Lent
            && Loans.Parse(borrower.Limit) + Loans.Parse(status.Limit) == 120
        );
        (await StoredLoansAsync(scene)).Should().ContainSingle();
    }

    private static async Task<IReadOnlyList<LoanRecord>> StoredLoansAsync(Scene scene) =>
        [
            .. (await scene.World.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = ClusterWorld.OwnNamespace }, Ct))
                .Items.Select(item => item.Spec!.Data.Deserialize(LedgerJson.Default.LedgerShard)!)
                .SelectMany(shard => shard.Loans ?? []),
        ];
}

/// <summary>A loan on the real control plane. Its windows last for days, so the repayment is tested on the embedded cluster only.</summary>
[Collection(RealClusterCollection.Name)]
public sealed class RealLoanTests(RealCluster cluster)
{
    [SkippableFact]
    public Task Job_runs_on_a_loan_that_both_budgets_show() => cluster.PlayAsync("loans", async scene =>
        {
            var lender = await Loans.DepartmentAsync(scene);
            try
            {
                await Loans.JobRunsOnALoanAsync(scene, lender);
            }
            finally
            {
                await Loans.DeleteAsync(scene, lender);
            }
        });
}
