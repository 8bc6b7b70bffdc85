using System.Text.Json;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Commands;
using Bursar.Operator.Hosting;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The operator is killed between two writes that concern two budgets, or a budget deleted meanwhile, or the release of everything. A job's
/// generation counts the changes of its field.
/// </summary>
public sealed class KillWithTwoTests
{
    private static readonly OperatorOptions First = new() { Identity = "first" };
    private static readonly OperatorOptions Second = new() { Identity = "second" };

    private static CancellationToken Ct => CancellationToken.None;

    [Theory]
    [InlineData(false)] // before the second budget's record
    [InlineData(true)] // it is recorded, and the workload was not seen stopped for it
    public async Task Kill_around_the_second_budgets_suspension_writes_the_workload_once(bool happens)
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await BudgetsAsync(scene, "1", "100");
        await scene.JobAsync("shared", declared: "2h");
        await scene.UntilSuspendedAsync("shared");
        await scene.UntilAsync("b names the budget that suspends it", async () =>
            (await scene.StatusAsync("b"))?.Workloads is [{ State: "SuspendedByOtherBudget" }]
        );
        // The object of its ledger is made before.
        await scene.PassAsync(70);

        await KillAsync(scene, await PatchOfAsync(scene, "b", happens), () => scene.SetLimitAsync("1", "b"));
        (await SuspendedAsync(world)).Should().Equal(happens ? ["a/shared", "b/shared"] : ["a/shared"]);
        await world.StartOperatorAsync(Ct, Second);

        await scene.UntilAsync("both suspend it", async () =>
            (await scene.StatusAsync("a"))?.SuspendedCount == 1 && (await scene.StatusAsync("b"))?.SuspendedCount == 1
        );
        await BothResumeAsync(scene);
    }

    [Theory]
    [InlineData(1, false)] // before the decision to resume
    [InlineData(1, true)] // it is decided
    [InlineData(2, false)] // before the record goes
    [InlineData(2, true)] // it is gone
    public async Task Kill_while_the_first_of_two_budgets_removes_its_record_resumes_once(int write, bool happens)
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await SuspendedByBothAsync(scene);
        await scene.SetLimitAsync("100", "a");
        await TwoBudgets.UntilWaitsForAsync(scene, "a", "b");
        await scene.PassAsync(10);

        await KillAsync(scene, await PatchOfAsync(scene, "b", happens, write), () => scene.SetLimitAsync("100", "b"));
        // On a busy machine, a may leave as soon as b has decided. Then b is the last of them and resumes the workload before its record goes.
        var left = await SuspendedAsync(world);
        if (write == 2 && happens)
            left.Should().NotContain("b/shared");
        else
            left.Should().Contain("b/shared");
        if (left.Count == 0)
            (await scene.IsSuspendedAsync("shared")).Should().BeFalse("no record is left");
        await world.StartOperatorAsync(Ct, Second);

        await BothResumeAsync(scene);
    }

    [Fact]
    public async Task Kill_while_one_of_two_budgets_waits_keeps_both_suspensions()
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await SuspendedByBothAsync(scene);
        await scene.SetLimitAsync("100", "a");
        await TwoBudgets.UntilWaitsForAsync(scene, "a", "b");
        scene.Sandbox.Server.Faults.Add(new(new Fault.Answer(500)) { Client = $"({First.Identity})" });
        await world.AbandonOperatorAsync();
        await world.StartOperatorAsync(Ct, Second);

        await TwoBudgets.UntilWaitsForAsync(scene, "a", "b");
        await scene.PassAsync(30);
        (await SuspendedAsync(world)).Should().Equal("a/shared", "b/shared");
        (await GenerationAsync(scene)).Should().Be(2, "b does not cover it");
        await BothResumeAsync(scene);
    }

    [Theory]
    [InlineData("gpuledgers", false)] // the decision is not noted
    [InlineData("gpuledgers", true)] // it is
    [InlineData("jobs", false)] // the workload is not resumed
    [InlineData("jobs", true)] // it is, and the operator does not know
    public async Task Kill_while_the_last_of_two_budgets_resumes_resumes_once(string resource, bool happens)
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await SuspendedByBothAsync(scene);
        await scene.SetLimitAsync("100", "a");
        await TwoBudgets.UntilWaitsForAsync(scene, "a", "b");
        await scene.PassAsync(10);

        await KillAsync(scene, resource == "jobs" ? Patch("jobs", "", happens) : await PatchOfAsync(scene, "b", happens), () =>
            scene.SetLimitAsync("100", "b")
        );
        await world.StartOperatorAsync(Ct, Second);

        await BothResumeAsync(scene);
    }

    [Theory]
    [InlineData("gpuledgers", true, 1)] // it is noted, and never stopped
    [InlineData("jobs", true, 3)] // it is suspended, then it is resumed
    public async Task Kill_while_suspending_for_a_budget_then_deleted_leaves_the_workload_running(
        string resource,
        bool happens,
        int generation
    )
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1", name: "a");
        await scene.UntilAsync("it is seen", async () => await scene.StatusAsync("a") is not null);
        // The object of its ledger is made before.
        await scene.PassAsync(70);
        await KillAsync(scene, resource == "jobs" ? Patch("jobs", "", happens) : await PatchOfAsync(scene, "a", happens), () =>
            scene.JobAsync("shared", declared: "2h")
        );
        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("a", scene.Team, null, Ct);
        await world.StartOperatorAsync(Ct, Second);

        await scene.UntilAsync("no record is left", async () => (await SuspendedAsync(world)).Count == 0);
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("shared")).Should().BeFalse();
        (await GenerationAsync(scene)).Should().Be(generation);
    }

    [Theory]
    [InlineData("jobs", false)] // before the workload is resumed
    [InlineData("jobs", true)] // it is, and the operator does not know
    [InlineData("gpuledgers", false)] // before the record goes
    public async Task Kill_while_resuming_for_a_deleted_budget_resumes_once(string resource, bool happens)
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1", name: "a");
        await scene.UntilAsync("it is seen", async () => await scene.StatusAsync("a") is not null);
        await scene.JobAsync("shared", declared: "2h");
        await scene.UntilSuspendedAsync("shared");
        await scene.PassAsync(70);

        await KillAsync(
            scene,
            resource == "jobs" ? Patch("jobs", "", happens) : Patch("gpuledgers", $"/gpuledgers/{scene.Team}.", happens, verb: ""),
            () => world.Client.DeleteAsync<V1Alpha1GpuBudget>("a", scene.Team, null, Ct)
        );
        await world.StartOperatorAsync(Ct, Second);

        await scene.UntilResumedAsync("shared");
        await scene.UntilAsync("no record is left", async () => (await SuspendedAsync(world)).Count == 0);
        await scene.PassAsync(30);
        (await GenerationAsync(scene)).Should().Be(3);
    }

    /// <summary><c>bursar release --all</c> is stopped between any two of its writes, and simply run again.</summary>
    [Theory]
    [InlineData("jobs", 1)]
    [InlineData("gpuledgers", 1)]
    [InlineData("gpuledgers", 2)]
    public async Task Release_of_workloads_of_two_budgets_can_be_interrupted_and_repeated(string resource, int write)
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await SuspendedByBothAsync(scene);
        await world.StopOperatorAsync();

        // Wall time, because this world's clock does not move while the command waits between its attempts.
        using (var command = new KubeClient(world.Config, new() { UserAgent = "bursar-release/1" }))
        {
            var kill = new FaultRule(new Fault.AnswerAfter(500))
            {
                Client = "bursar-release",
                Resource = resource,
                Verb = "patch",
                Times = 1,
                Then = new(new Fault.Answer(500)) { Client = "bursar-release" },
            };
            scene.Sandbox.Server.Faults.Add(
                write == 1
                    ? kill
                    : new(new Fault.Delay(TimeSpan.Zero))
                    {
                        Client = "bursar-release",
                        Resource = resource,
                        Verb = "patch",
                        Times = 1,
                        Then = kill,
                    }
            );
            await FluentActions
                .Awaiting(async () =>
                {
                    // An unreachable object is reported and fails the command, or ends it.
                    if (
                        await ReleaseCommand.RunAsync(
                            command,
                            ClusterWorld.OwnNamespace,
                            new(null, null, DryRun: false),
                            TextWriter.Null,
                            Ct
                        ) != 0
                    )
                        throw new CommandException("not everything was resumed");
                })
                .Should()
                .ThrowAsync<Exception>();
        }
        scene.Sandbox.Server.Faults.Clear();
        using var text = new StringWriter();
        (await ReleaseCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, new(null, null, DryRun: false), text, Ct))
            .Should()
            .Be(0, text.ToString());

        (await SuspendedAsync(world)).Should().BeEmpty();
        (await GenerationAsync(scene)).Should().Be(3);
    }

    private static async Task<Scene> OpenAsync()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await scene.World.StartOperatorAsync(Ct, First);
        return scene;
    }

    private static async Task BudgetsAsync(Scene scene, string a, string b)
    {
        await scene.BudgetAsync(a, name: "a");
        await scene.BudgetAsync(b, name: "b");
        await scene.UntilAsync("both are seen", async () =>
            await scene.StatusAsync("a") is not null && await scene.StatusAsync("b") is not null
        );
    }

    private static async Task SuspendedByBothAsync(Scene scene)
    {
        await BudgetsAsync(scene, "1", "1");
        await scene.JobAsync("shared", declared: "2h");
        await scene.UntilSuspendedAsync("shared");
        await scene.UntilAsync("both suspend it", async () =>
            (await scene.StatusAsync("a"))?.SuspendedCount == 1 && (await scene.StatusAsync("b"))?.SuspendedCount == 1
        );
        // The stored ledger has all that was seen, so the next write is the awaited one.
        await scene.PassAsync(70);
    }

    private static async Task BothResumeAsync(Scene scene)
    {
        await scene.SetLimitAsync("100", "a");
        await scene.SetLimitAsync("100", "b");
        await scene.UntilResumedAsync("shared");
        await scene.UntilAsync("no record is left", async () => (await SuspendedAsync(scene.World)).Count == 0);
        await scene.PassAsync(20);
        (await GenerationAsync(scene)).Should().Be(3, "one change of state each way");
        (await scene.StatusAsync("a"))!.SuspendedCount.Should().Be(0);
        (await scene.StatusAsync("b"))!.SuspendedCount.Should().Be(0);
    }

    /// <summary>A write of the operator after which nothing of it arrives any more.</summary>
    private static FaultRule Patch(string resource, string path, bool happens, int write = 1, string verb = "patch")
    {
        var client = $"({First.Identity})";
        var kill = new FaultRule(happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
        {
            Client = client,
            Resource = resource,
            Verb = verb,
            PathPart = path,
            Times = 1,
            Then = new(new Fault.Answer(500)) { Client = client },
        };
        return write == 1
            ? kill
            : new(new Fault.Delay(TimeSpan.Zero))
            {
                Client = client,
                Resource = resource,
                Verb = verb,
                PathPart = path,
                Times = 1,
                Then = kill,
            };
    }

    private static async Task<FaultRule> PatchOfAsync(Scene scene, string budget, bool happens, int write = 1) =>
        Patch(
            "gpuledgers",
            $"/gpuledgers/{scene.Team}.{(await scene.World.BudgetAsync(scene.Team, budget, Ct)).Metadata.Uid}",
            happens,
            write
        );

    private static async Task KillAsync(Scene scene, FaultRule rule, Func<Task> cause)
    {
        var faults = scene.Sandbox.Server.Faults;
        var shown = rule.Fault is Fault.Delay ? 2 : 1;
        faults.Add(rule);
        await cause();
        await scene.UntilAsync("the operator dies", () => Task.FromResult(faults.Shown >= shown), TimeSpan.FromSeconds(150));
        await scene.World.AbandonOperatorAsync();
    }

    private static async Task<long> GenerationAsync(Scene scene) =>
        (await scene.World.JobAsync(scene.Team, "shared", Ct)).Metadata.Generation;

    private static async Task<IReadOnlyList<string>> SuspendedAsync(ClusterWorld world)
    {
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
