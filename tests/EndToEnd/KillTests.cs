using System.Text.Json;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Hosting;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The operator is cut off from the API server for good at a chosen request, as if its process were killed. No later request arrives.
/// Another operator takes over from the cluster's state.
/// </summary>
public sealed class KillTests
{
    private static readonly OperatorOptions First = new() { Identity = "first" };
    private static readonly OperatorOptions Second = new() { Identity = "second" };

    /// <summary>A write at which the operator is killed.</summary>
    /// <param name="Resource">Whose write.</param>
    /// <param name="Verb">Which one.</param>
    /// <param name="Happens">Whether it still takes place, its answer lost.</param>
    /// <param name="AfterTheAct">Only after the workload was patched: that patch went well.</param>
    private sealed record Place(string Resource, string Verb, bool Happens, bool AfterTheAct);

    /// <summary>The cluster's state after the kill: the write was reached, and nothing beyond it.</summary>
    /// <param name="Suspended">The workload's field.</param>
    /// <param name="Recorded">Whether the ledger names it as suspended.</param>
    /// <param name="InStatus">How many the status names.</param>
    /// <param name="Told">Events about the act.</param>
    private sealed record Left(bool Suspended, bool Recorded, int? InStatus, int? Told);

    [Theory]
    [InlineData("gpuledgers", "patch", false, false)] // before the ledger holds what is to happen
    [InlineData("gpuledgers", "patch", true, false)] // the ledger has it
    [InlineData("jobs", "patch", false, false)] // between the ledger and the act
    [InlineData("jobs", "patch", true, false)] // it is done, and the operator does not know
    [InlineData("gpubudgets", "patch", false, true)] // before the status
    [InlineData("gpubudgets", "patch", true, true)] // the status reports it
    [InlineData("events", "create", false, true)] // before the Event
    [InlineData("events", "create", true, true)] // the Event reports it
    [InlineData("gpuledgers", "patch", false, true)] // before the ledger holds that it was seen
    [InlineData("gpuledgers", "patch", true, true)] // the ledger holds that it was seen
    public async Task Kill_around_a_suspension_suspends_once_and_changes_no_amount(
        string resource,
        string verb,
        bool happens,
        bool afterTheAct
    )
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(CancellationToken.None, First);
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("2");
        await scene.RunawayAsync("runaway");
        await scene.UntilRunsAsync("runaway");
        await scene.PassAsync(7);
        (await scene.IsSuspendedAsync("runaway")).Should().BeFalse();

        await KillAtAsync(scene, new(resource, verb, happens, afterTheAct));
        var left = await LeftAsync(scene, "runaway", "Suspended");
        left.Suspended.Should().Be(afterTheAct || (resource == "jobs" && happens));
        left.Recorded.Should().Be(afterTheAct || resource == "jobs" || happens);
        if (resource == "gpubudgets")
            left.InStatus.Should().Be(happens ? 1 : 0);
        if (resource == "events")
            left.Told.Should().Be(happens ? 1 : 0);
        await world.StartOperatorAsync(CancellationToken.None, Second);

        await scene.UntilSuspendedAsync("runaway");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        if (!afterTheAct)
            await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("Suspended", "runaway")).Count >= 1);
        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        bill.Pods.Should().Be(1);
        await scene.PassAsync(20);
        (await scene.IsSuspendedAsync("runaway")).Should().BeTrue("a restart is no cause to resume");
        (await scene.EventsAsync("Suspended", "runaway")).Should().HaveCountLessThanOrEqualTo(1);

        await scene.SetLimitAsync("10");
        await scene.UntilResumedAsync("runaway");
        await scene.UntilAsync("the record is gone", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
    }

    [Theory]
    [InlineData("gpuledgers", "patch", false, false)] // before the ledger holds the decision
    [InlineData("gpuledgers", "patch", true, false)] // the ledger has it
    [InlineData("jobs", "patch", false, false)] // between the ledger and the act
    [InlineData("jobs", "patch", true, false)] // it runs, and the operator does not know
    [InlineData("gpuledgers", "patch", false, true)] // before the record goes
    [InlineData("gpuledgers", "patch", true, true)] // the record is gone
    [InlineData("gpubudgets", "patch", false, true)] // before the status
    [InlineData("events", "create", false, true)] // before the Event
    public async Task Kill_around_a_resume_resumes_once_and_does_not_suspend_again(
        string resource,
        string verb,
        bool happens,
        bool afterTheAct
    )
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(CancellationToken.None, First);
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("1");
        await scene.JobAsync("train", declared: "1h", runFor: "2m");
        await scene.UntilSuspendedAsync("train");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.PassAsync(30);

        // Armed before the change that makes it resume, so that the first write after it cannot slip through.
        Arm(scene, new(resource, verb, happens, afterTheAct));
        await scene.SetLimitAsync("50");
        await KillOperatorAsync(scene, new(resource, verb, happens, afterTheAct));
        var left = await LeftAsync(scene, "train", "Resumed");
        left.Suspended.Should().Be(!afterTheAct && !(resource == "jobs" && happens));
        left.Recorded.Should().Be(!afterTheAct || (resource == "gpuledgers" && !happens));
        if (resource == "gpubudgets")
            left.InStatus.Should().Be(1);
        if (resource == "events")
            left.Told.Should().Be(0);
        await world.StartOperatorAsync(CancellationToken.None, Second);

        await scene.UntilResumedAsync("train");
        await scene.UntilAsync("the record is gone", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("train")).Should().BeFalse();
        (await scene.RunsAsync("train")).Should().BeTrue();
        await scene.UntilAsync(
            "it is done",
            async () => (await world.JobAsync(scene.Team, "train", CancellationToken.None)).Status.Succeeded == 1,
            TimeSpan.FromMinutes(5)
        );
        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public async Task Kills_at_random_moments_change_no_bill(int seed)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(CancellationToken.None, new() { Identity = "0" });
        await using var bill = await PodBill.OpenAsync(scene);
        var chance = new Random(seed);
        await scene.BudgetAsync("100");
        for (var i = 0; i < 4; i++)
            await scene.JobAsync($"job-{i}", declared: "3m", runFor: $"{30 + chance.Next(120)}s");
        for (var kill = 0; kill < 5; kill++)
        {
            await scene.PassAsync(5 + chance.NextDouble() * 30);
            scene.Sandbox.Server.Faults.Add(new(new Fault.Answer(500)) { Client = $"({kill})" });
            await world.AbandonOperatorAsync();
            // The operator is away for a while, and pods end meanwhile.
            await scene.PassAsync(chance.NextDouble() * 20);
            await world.StartOperatorAsync(CancellationToken.None, new() { Identity = $"{kill + 1}" });
        }
        await scene.UntilAsync(
            "all jobs are done",
            async () =>
            {
                for (var i = 0; i < 4; i++)
                    if ((await world.JobAsync(scene.Team, $"job-{i}", CancellationToken.None)).Status.Succeeded != 1)
                        return false;
                return true;
            },
            TimeSpan.FromMinutes(5)
        );
        await scene.PassAsync(70);
        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        bill.Pods.Should().Be(4);
    }

    /// <summary>
    /// A suspended Job's pods are deleted: their end is known only to who saw it, so it must not wait for the ledger's pace.
    /// </summary>
    [Fact]
    public async Task Kill_soon_after_suspended_pods_ended_loses_no_end_time()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(CancellationToken.None, First);
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("2");
        // The namespace's ledger object is there and was written lately: what follows would have to wait for its turn.
        await scene.JobAsync("short", declared: "1s", runFor: "1s");
        await scene.UntilAsync("short is done", async () =>
            (await world.JobAsync(scene.Team, "short", CancellationToken.None)).Status.Succeeded == 1
        );
        await scene.RunawayAsync("runaway");
        await scene.UntilSuspendedAsync("runaway");
        await scene.UntilAsync("its pod has gone", async () =>
            (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, CancellationToken.None)).Items.Count == 1
        );
        await scene.PassAsync(6);

        scene.Sandbox.Server.Faults.Add(new(new Fault.Answer(500)) { Client = $"({First.Identity})" });
        await world.AbandonOperatorAsync();
        await scene.PassAsync(90);
        await world.StartOperatorAsync(CancellationToken.None, Second);

        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        bill.Pods.Should().Be(2);
        (await scene.StatusAsync())!.SuspendedCount.Should().Be(1);
    }

    /// <summary>A suspension ends pods. Those known only to the operator's memory would be lost with it, and their cost too.</summary>
    [Theory]
    [InlineData("jobs", "patch")]
    [InlineData("deployments", "patch")]
    public async Task Kill_while_suspending_new_pods_still_bills_them(string resource, string verb)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(CancellationToken.None, First);
        await using var bill = await PodBill.OpenAsync(scene);
        // The namespace's ledger object is there and was written lately: what follows would have to wait for its turn.
        await scene.JobAsync("short", declared: "1s", runFor: "1s");
        await scene.UntilAsync("short is done", async () =>
            (await world.JobAsync(scene.Team, "short", CancellationToken.None)).Status.Succeeded == 1
        );
        await scene.PassAsync(6);
        if (resource == "jobs")
            await scene.JobAsync("endless");
        else
            await world.CreateDeploymentAsync(scene.Team, "endless", 2, 1, CancellationToken.None);
        await scene.UntilAsync("it runs", async () =>
            (await PodsAsync(scene)).Count(p =>
                p.Metadata.Name.StartsWith("endless", StringComparison.Ordinal) && p.Status.Phase == "Running"
            ) == (resource == "jobs" ? 1 : 2)
        );
        await scene.PassAsync(3);

        Arm(scene, new(resource, verb, Happens: true, AfterTheAct: false));
        await scene.BudgetAsync("0.0001", """{"inference": {"whenExhausted": "Zero"}}""");
        await KillOperatorAsync(scene, new(resource, verb, Happens: true, AfterTheAct: false));
        await scene.UntilAsync("its pods have gone", async () =>
            !(await PodsAsync(scene)).Exists(p => p.Metadata.Name.StartsWith("endless", StringComparison.Ordinal))
        );
        await world.StartOperatorAsync(CancellationToken.None, Second);

        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        Parse(await scene.FinalSpentAsync())
            .Should()
            .BeGreaterThanOrEqualTo(bill.Total(Scene.V100), "no operator saw their end, so they count until it is noticed");
    }

    private static Amount Parse(string text) => Amount.TryParse(text, out var amount) ? amount : throw new FormatException(text);

    private static async Task<List<V1Pod>> PodsAsync(Scene scene) =>
        [.. (await scene.World.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, CancellationToken.None)).Items];

    private static async Task KillAtAsync(Scene scene, Place place)
    {
        Arm(scene, place);
        await KillOperatorAsync(scene, place);
    }

    private static void Arm(Scene scene, Place place)
    {
        var client = $"({First.Identity})";
        var kill = new FaultRule(place.Happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
        {
            Client = client,
            Resource = place.Resource,
            Verb = place.Verb,
            // The budget's own part of the ledger; pods and nodes are written at their own pace.
            PathPart = place.Resource == "gpuledgers" ? $"/gpuledgers/{scene.Team}." : "",
            Times = 1,
            Then = new(new Fault.Answer(500)) { Client = client },
        };
        // A delay of nothing changes nothing: the patch of the workload arms what follows it.
        scene.Sandbox.Server.Faults.Add(
            !place.AfterTheAct
                ? kill
                : new(new Fault.Delay(TimeSpan.Zero))
                {
                    Client = client,
                    Resource = "jobs",
                    Verb = "patch",
                    Times = 1,
                    Then = kill,
                }
        );
    }

    private static async Task KillOperatorAsync(Scene scene, Place place)
    {
        var faults = scene.Sandbox.Server.Faults;
        // The workload's patch, where it only arms, is shown too.
        var shown = place.AfterTheAct ? 2 : 1;
        await scene.UntilAsync($"the operator dies at {place}", () => Task.FromResult(faults.Shown >= shown), TimeSpan.FromSeconds(150));
        await scene.World.AbandonOperatorAsync();
    }

    private static async Task<Left> LeftAsync(Scene scene, string job, string reason)
    {
        var shards = await scene.World.Client.ListAsync<V1Alpha1GpuLedger>(
            new() { Namespace = ClusterWorld.OwnNamespace },
            CancellationToken.None
        );
        var suspended = shards
            .Items.Select(i => i.Spec!.Data.Deserialize(LedgerJson.Default.LedgerShard)!)
            .SelectMany(s => s.Suspensions ?? []);
        return new(
            await scene.IsSuspendedAsync(job),
            suspended.Any(p => p.Name == job),
            (await scene.StatusAsync())?.SuspendedCount,
            (await scene.EventsAsync(reason, job)).Count
        );
    }
}
