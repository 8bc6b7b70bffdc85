using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Workloads that another controller manages: one test for each known pitfall. The managers here are fakes of the documented behavior (<see
/// cref="FakeManager"/>); docs/start/beside-kueue.md lists what was tried on a real Kueue.
/// </summary>
public sealed class ManagerTests
{
    private const string Zero = """{"inference": {"whenExhausted": "Zero"}}""";

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Kueue_reverts_spec_suspend_so_its_Workload_is_deactivated()
    {
        var (scene, kueue) = await KueueAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await kueue.JobAsync("train");
        await kueue.UntilAsync("train runs", () => scene.RunsAsync("train"));
        kueue.Starts.Should().Be(1);

        // The trap itself.
        await scene.SuspendAsync("train", true);
        await kueue.UntilAsync("Kueue has undone it", async () => !await scene.IsSuspendedAsync("train"));
        (await kueue.IsActiveAsync("train")).Should().BeTrue();
        await kueue.UntilAsync("train runs again", () => scene.RunsAsync("train"));
        var starts = kueue.Starts;

        await scene.SetLimitAsync("1");
        await kueue.UntilAsync(
            "its Workload is deactivated",
            async () => await kueue.IsActiveAsync("train") == false,
            TimeSpan.FromMinutes(15)
        );
        ((string?)(await kueue.WorkloadAsync("train"))!["metadata"]!["annotations"]!["bursar.dev/suspended-by"]).Should().Be("gpubudget/b");
        await kueue.UntilAsync("train is suspended", () => scene.IsSuspendedAsync("train"));
        await kueue.PassAsync(60);
        (await scene.IsSuspendedAsync("train")).Should().BeTrue("Kueue itself suspends it");
        kueue.Stops.Should().Be(1);
        (await scene.StatusAsync())!.Suspended.Should().ContainSingle(s => s.Kind == "Job" && s.Name == "train");

        await scene.SetLimitAsync("100");
        await kueue.UntilAsync("train runs once more", () => scene.RunsAsync("train"));
        await kueue.PassAsync(60);
        (kueue.Starts, kueue.Stops).Should().Be((starts + 1, 1), "one change each way");
        (await kueue.WorkloadAsync("train"))!["metadata"]!["annotations"]!.AsObject().Should().BeEmpty();
        await kueue.UntilAsync("nothing is recorded any more", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
        (await scene.ConditionAsync("Contested")).Should().BeNull();
    }

    [Fact]
    public async Task Job_in_Kueues_queue_reserves_nothing_and_is_no_suspension()
    {
        var (scene, kueue) = await KueueAsync();
        await using var world = scene.World;
        kueue.Quota = 1;
        await scene.BudgetAsync("5");
        await kueue.JobAsync("first");
        await kueue.UntilAsync("first runs", () => scene.RunsAsync("first"));
        await kueue.JobAsync("second");
        await kueue.UntilAsync("second is queued", async () =>
            (await scene.StatusAsync())?.Workloads?.Any(w =>
                w is { Name: "second", State: "Pending" } && w.Reason!.StartsWith("Queued:", StringComparison.Ordinal)
            ) == true
        );
        await kueue.PassAsync(30);
        var status = (await scene.StatusAsync())!;
        decimal.Parse(status.Reserved!, CultureInfo.InvariantCulture).Should().BeLessThan(3.1m, "an hour of one GPU, not of two");
        (await kueue.IsActiveAsync("second")).Should().BeTrue();
        status.SuspendedCount.Should().Be(0);

        // The first job is resumed, so this one does not fit beside it. Only now it is a claim.
        kueue.Quota = 2;
        await kueue.UntilAsync("second is suspended", async () => await kueue.IsActiveAsync("second") == false);
        await kueue.UntilAsync("it is suspended", () => scene.IsSuspendedAsync("second"));
        (await scene.RunsAsync("first")).Should().BeTrue();
    }

    [Fact]
    public async Task Workload_that_Kueue_deactivated_itself_is_never_activated()
    {
        var (scene, kueue) = await KueueAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await kueue.JobAsync("failed");
        await kueue.UntilAsync("it runs", () => scene.RunsAsync("failed"));
        await kueue.SetActiveAsync("failed", false);
        await kueue.UntilAsync("it is suspended", () => scene.IsSuspendedAsync("failed"));
        await kueue.UntilAsync("it is reported", async () =>
            (await scene.StatusAsync())?.Workloads?.Any(w => w is { Name: "failed", State: "SuspendedByOther" }) == true
        );
        await scene.SetLimitAsync("1000");
        await kueue.PassAsync(60);
        (await kueue.IsActiveAsync("failed")).Should().BeFalse();
        (await scene.StatusAsync())!.Workloads!.Single().Reason.Should().StartWith("SuspendedByOther");
    }

    /// <summary>
    /// Kueue's elastic jobs (pkg/workloadslicing): one Workload holds the quota, a second one replaces it as soon as it gets its own.
    /// </summary>
    [Fact]
    public async Task Elastic_job_is_stopped_through_the_slice_that_is_admitted_and_no_other_starts_it()
    {
        var (scene, kueue) = await KueueAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await kueue.JobAsync("train");
        await kueue.UntilAsync("train runs", () => scene.RunsAsync("train"));
        var first = (await kueue.WorkloadAsync("train"))!;
        await scene.PassAsync(2);
        var slice = new JsonObject
        {
            ["apiVersion"] = V1Workload.EntityKind.ApiVersion,
            ["kind"] = "Workload",
            ["metadata"] = new JsonObject
            {
                ["name"] = "job-train-slice-2",
                ["annotations"] = new JsonObject { ["kueue.x-k8s.io/workload-slice-replacement-for"] = $"{scene.Team}/job-train" },
                ["ownerReferences"] = first["metadata"]!["ownerReferences"]!.DeepClone(),
            },
            ["spec"] = new JsonObject { ["queueName"] = "gpus" },
        };
        await scene.CreateAsync(V1Workload.EntityKind.Path(scene.Team), slice.ToJsonString());
        await scene.PassAsync(10);
        await scene.SetLimitAsync("0.001");

        await scene.UntilAsync(
            "the admitted one is deactivated",
            async () => await kueue.IsActiveAsync("train") == false,
            TimeSpan.FromMinutes(5)
        );
        ((bool?)(await kueue.GetAsync(V1Workload.EntityKind, "job-train-slice-2"))!["spec"]!["active"])
            .Should()
            .BeFalse("Kueue would start the job with it");
        (await scene.StatusAsync())!.Workloads.Should().ContainSingle();
        // Kueue's reaction: the first Workload is evicted and finished, and the job is suspended.
        await kueue.UntilAsync("train is suspended", () => scene.IsSuspendedAsync("train"));
        await scene.UntilAsync("it is in the status", async () => (await scene.StatusAsync())?.Suspended is [{ Name: "train" }]);

        // A Workload that Kueue creates later would start it too.
        slice["metadata"]!["name"] = "job-train-slice-3";
        await scene.CreateAsync(V1Workload.EntityKind.Path(scene.Team), slice.ToJsonString());
        await scene.UntilAsync("it is deactivated as well", async () =>
            (bool?)(await kueue.GetAsync(V1Workload.EntityKind, "job-train-slice-3"))!["spec"]!["active"] == false
        );

        await scene.SetLimitAsync("100");
        await scene.UntilAsync("both are as they were", async () =>
            await kueue.IsActiveAsync("train") == true
            && (bool?)(await kueue.GetAsync(V1Workload.EntityKind, "job-train-slice-2"))!["spec"]!["active"] != false
        );
    }

    [Fact]
    public async Task Queued_job_without_a_Workload_waits_for_Kueue_to_make_it()
    {
        var (scene, kueue) = await KueueAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await kueue.JobAsync("early");
        await scene.UntilAsync("it is reported", async () =>
            (await scene.StatusAsync())
                ?.Workloads?.SingleOrDefault()
                ?.Reason?.Contains("has not made its Workload yet", StringComparison.Ordinal) == true
        );
        await scene.PassAsync(15);
        (await scene.StatusAsync())!.SuspendedCount.Should().Be(0);
        await kueue.UntilAsync("it is suspended through its Workload", async () => await kueue.IsActiveAsync("early") == false);
    }

    [Fact]
    public async Task Kueue_admission_check_keeps_a_job_over_budget_waiting_until_a_top_up()
    {
        var (scene, kueue) = await KueueAsync(asks: true);
        await using var world = scene.World;
        await scene.UntilAsync("the check is active", async () =>
            (await world.Client.GetAsync<V1AdmissionCheck>(FakeKueue.Check, null, Ct)).Status.Conditions.Any(c =>
                c is { Type: "Active", Status: "True" }
            )
        );
        await scene.BudgetAsync("5");
        await kueue.JobAsync("fits");
        await kueue.UntilAsync("fits runs", () => scene.RunsAsync("fits"));
        var check = (await kueue.WorkloadAsync("fits"))!["status"]!["admissionChecks"]![0]!;
        ((string?)check["message"]).Should().ContainAll("Budget b", "3.06 USD", "5.00 of 5.00");

        await kueue.JobAsync("over");
        await kueue.UntilAsync("over is suspended", async () => await kueue.IsActiveAsync("over") == false);
        await kueue.PassAsync(30);
        (kueue.Starts, kueue.Stops).Should().Be((1, 0), "it was never started");
        (await scene.StatusAsync())!.Suspended.Should().ContainSingle(s => s.Name == "over" && s.Reason == "DoesNotFit");

        await scene.SetLimitAsync("10");
        await kueue.UntilAsync("over runs", () => scene.RunsAsync("over"));
        await kueue.PassAsync(30);
        (kueue.Starts, kueue.Stops).Should().Be((2, 0));
    }

    [Fact]
    public async Task Kueue_admission_check_of_an_unselected_workload_is_answered_at_once()
    {
        var (scene, kueue) = await KueueAsync(asks: true);
        await using var world = scene.World;
        await scene.BudgetAsync("0.01", """{"selector": {"matchLabels": {"app": "other"}}}""");
        await kueue.JobAsync("free");
        await kueue.UntilAsync("it runs", () => scene.RunsAsync("free"));
        ((string?)(await kueue.WorkloadAsync("free"))!["status"]!["admissionChecks"]![0]!["message"]).Should().Be("No budget selects it.");
    }

    [Fact]
    public async Task Older_Kueue_is_reached_by_the_version_that_it_serves()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await FakeManager.ServeAsync(scene, V1Beta1Workload.EntityKind);
        await world.StartOperatorAsync(Ct);
        var kueue = new FakeKueue(scene, V1Beta1Workload.EntityKind, V1Job.EntityKind);
        await SuspendedThroughItsWorkloadAsync(scene, kueue);
    }

    [Fact]
    public async Task Gang_under_Kueue_is_stopped_through_its_Workload()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "JobSet");
        await FakeManager.ServeAsync(scene, V1Workload.EntityKind);
        await world.StartOperatorAsync(Ct);
        var kueue = new FakeKueue(scene, V1Workload.EntityKind, V1Alpha2JobSet.EntityKind);
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await Kinds.CreateAsync(scene, "JobSet", "gang", Kinds.Spec("JobSet"));
        using var label = new StringContent(
            """{"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "gpus"}}, "spec": {"suspend": true}}""",
            System.Text.Encoding.UTF8,
            "application/merge-patch+json"
        );
        await Kinds.UntilSuspendedAsync(scene, "JobSet", "gang");
        await world.Client.RequestAsync(HttpMethod.Patch, V1Alpha2JobSet.EntityKind.Path(scene.Team, "gang"), label, Ct);
        await scene.SetLimitAsync("1000");
        await kueue.UntilAsync("it goes on under Kueue", async () =>
            await Kinds.SuspendFieldAsync(scene, "JobSet", "gang") == false && await kueue.IsActiveAsync("gang") == true
        );
        await scene.SetLimitAsync("1");
        await kueue.UntilAsync(
            "its Workload is deactivated",
            async () => await kueue.IsActiveAsync("gang") == false,
            TimeSpan.FromMinutes(15)
        );
        await kueue.UntilAsync("Kueue suspends it", async () => await Kinds.SuspendFieldAsync(scene, "JobSet", "gang") == true);
    }

    [Theory]
    [InlineData("gpuledgers", false, false)] // before the ledger holds what is to happen
    [InlineData("gpuledgers", true, false)] // the ledger has it
    [InlineData("workloads", false, false)] // between the ledger and the act
    [InlineData("workloads", true, false)] // it is done, and the operator does not know
    [InlineData("gpuledgers", false, true)] // before the ledger holds that it was seen
    public async Task Kill_around_a_suspension_through_Kueue_suspends_once_and_resumes(string resource, bool happens, bool afterTheAct)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        var kueue = await FakeKueue.ServeAsync(scene);
        await world.StartOperatorAsync(Ct, new() { Identity = "first" });
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var kill = new FaultRule(happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
        {
            Client = "(first)",
            Resource = resource,
            Verb = "patch",
            PathPart = resource == "gpuledgers" ? $"/gpuledgers/{scene.Team}." : "",
            Times = 1,
            Then = new(new Fault.Answer(500)) { Client = "(first)" },
        };
        scene.Sandbox.Server.Faults.Add(
            !afterTheAct
                ? kill
                : new(new Fault.Delay(TimeSpan.Zero))
                {
                    Client = "(first)",
                    Resource = "workloads",
                    Verb = "patch",
                    Times = 1,
                    Then = kill,
                }
        );
        await kueue.JobAsync("train");
        await kueue.UntilAsync(
            "the operator dies",
            () => Task.FromResult(scene.Sandbox.Server.Faults.Shown >= (afterTheAct ? 2 : 1)),
            TimeSpan.FromMinutes(3)
        );
        await world.AbandonOperatorAsync();
        await world.StartOperatorAsync(Ct, new() { Identity = "second" });

        await kueue.UntilAsync("its Workload is deactivated", async () => await kueue.IsActiveAsync("train") == false);
        await kueue.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await kueue.PassAsync(20);
        (await kueue.IsActiveAsync("train")).Should().BeFalse("a restart is no cause to resume");
        kueue.Stops.Should().BeLessThanOrEqualTo(1);

        await scene.SetLimitAsync("100");
        await kueue.UntilAsync("it runs", () => scene.RunsAsync("train"));
        await kueue.UntilAsync("the record is gone", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
        (await kueue.IsActiveAsync("train")).Should().BeTrue();
    }

    [Fact]
    public async Task Job_suspended_through_Kueue_resumes_with_its_budgets_deletion_and_by_release()
    {
        var (scene, kueue) = await KueueAsync();
        await using var world = scene.World;
        await SuspendedThroughItsWorkloadAsync(scene, kueue);
        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, Ct);
        await kueue.UntilAsync("it is restored", async () => await kueue.IsActiveAsync("train") == true);
        await kueue.UntilAsync("it runs", () => scene.RunsAsync("train"));

        await scene.BudgetAsync("0.01");
        await kueue.UntilAsync(
            "it is suspended by the next one",
            async () => await kueue.IsActiveAsync("train") == false,
            TimeSpan.FromMinutes(15)
        );
        await kueue.UntilAsync("the ledger has seen it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await world.StopOperatorAsync();
        using var text = new StringWriter();
        (await ReleaseCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, new(null, null, DryRun: false), text, Ct))
            .Should()
            .Be(0, "{0}", text);
        text.ToString().Should().Contain("/Job/train: resumed, /spec/active of Workload job-train is true again");
        (await kueue.IsActiveAsync("train")).Should().BeTrue();
    }

    [Fact]
    public async Task Repeated_activation_of_a_suspended_Workload_is_contested()
    {
        var (scene, kueue) = await KueueAsync();
        await using var world = scene.World;
        await SuspendedThroughItsWorkloadAsync(scene, kueue);
        for (var i = 0; i < 2; i++)
        {
            await kueue.SetActiveAsync("train", true);
            await kueue.UntilAsync("it is suspended again", async () => await kueue.IsActiveAsync("train") == false);
            await kueue.PassAsync(12);
        }
        await kueue.SetActiveAsync("train", true);
        await kueue.UntilAsync("it is contested", async () => (await scene.ConditionAsync("Contested"))?.Status == "True");
        (await kueue.IsActiveAsync("train")).Should().BeTrue();
    }

    [Fact]
    public async Task Kueue_that_does_not_respond_is_reported_and_its_spend_is_unstoppable()
    {
        var (scene, kueue) = await KueueAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await kueue.JobAsync("train");
        await kueue.UntilAsync("train runs", () => scene.RunsAsync("train"));
        await scene.SetLimitAsync("0.001");
        // Kueue's controller does not run from here on.
        await scene.UntilAsync(
            "its Workload is deactivated",
            async () => await kueue.IsActiveAsync("train") == false,
            TimeSpan.FromMinutes(15)
        );
        await scene.UntilAsync(
            "it is reported",
            async () =>
                (await scene.StatusAsync())?.Unstoppable?.Workloads is [var name] && name.Contains("train", StringComparison.Ordinal),
            TimeSpan.FromMinutes(5)
        );
        (await scene.StatusAsync())!.Workloads!.Single().Reason.Should().Contain("check that its controller is running");
        await kueue.UntilAsync("Kueue runs again: it is suspended", async () =>
            (await scene.StatusAsync())?.Suspended is [{ Name: "train" }]
        );
        await scene.SetLimitAsync("100");
        await kueue.UntilAsync("it is restored", async () => await kueue.IsActiveAsync("train") == true);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("1")]
    public async Task KEDA_scales_from_zero_so_its_ScaledObject_is_paused_and_restored(string? pausedAt)
    {
        var (scene, keda) = await KedaAsync();
        await using var world = scene.World;
        await world.CreateDeploymentAsync(scene.Team, "chat", 1, 1, Ct);
        await ScaledObjectAsync(
            scene,
            pausedAt is null ? "" : $$""" "annotations": {"autoscaling.keda.sh/paused-replicas": "{{pausedAt}}"}, """
        );
        if (pausedAt is null)
        {
            // The trap itself.
            await world.Client.PatchAsync<V1Deployment>(
                "chat",
                scene.Team,
                KubePatch.Merge(JsonNode.Parse("""{"spec": {"replicas": 0}}""")!) with
                {
                    Subresource = "scale",
                },
                Ct
            );
            await keda.UntilAsync("KEDA has undone it", async () => await scene.ReplicasAsync("chat") == 1);
        }
        await scene.BudgetAsync("0.01", Zero);
        await keda.UntilAsync("it is paused at zero", async () => await PausedAsync(scene) == "0");
        await keda.UntilAsync("its pods are gone", async () =>
            (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Count == 0
        );
        var lifts = keda.Lifts;
        await keda.PassAsync(70);
        (await scene.ReplicasAsync("chat")).Should().Be(0);
        keda.Lifts.Should().Be(lifts);
        (await scene.StatusAsync())!.Suspended.Should().ContainSingle(s => s.Kind == "Deployment" && s.Name == "chat");
        (await scene.ConditionAsync("FullyEnforceable"))!.Status.Should().Be("True");

        await scene.SetLimitAsync("100");
        await keda.UntilAsync("the annotation is as it was", async () => await PausedAsync(scene) == pausedAt);
        await keda.UntilAsync("KEDA brings it back", async () => await scene.ReplicasAsync("chat") == 1, TimeSpan.FromSeconds(90));
        var annotations = (await keda.GetAsync(V1ScaledObject.EntityKind, "chat-scaler"))!["metadata"]!["annotations"];
        (annotations as JsonObject ?? [])
            .Select(pair => pair.Key)
            .Should()
            .NotContain(key => key.StartsWith("bursar.dev", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ScaledObject_paused_by_another_actor_stays_paused_and_its_Deployment_is_scaled()
    {
        var (scene, keda) = await KedaAsync();
        await using var world = scene.World;
        await world.CreateDeploymentAsync(scene.Team, "chat", 2, 1, Ct);
        await ScaledObjectAsync(scene, """ "annotations": {"autoscaling.keda.sh/paused": "true"}, """);
        await scene.BudgetAsync("0.01", Zero);
        await keda.UntilAsync("it is at zero", async () => await scene.ReplicasAsync("chat") == 0);
        await keda.PassAsync(40);
        (await scene.ReplicasAsync("chat")).Should().Be(0);
        await scene.SetLimitAsync("100");
        await keda.UntilAsync("it is back", async () => await scene.ReplicasAsync("chat") == 2);
        (await keda.GetAsync(V1ScaledObject.EntityKind, "chat-scaler"))!["metadata"]!["annotations"]!
            .ToJsonString()
            .Should()
            .Be("""{"autoscaling.keda.sh/paused":"true"}""");
    }

    [Fact]
    public async Task ScaledObject_paused_at_zero_by_another_actor_is_never_unpaused()
    {
        var (scene, keda) = await KedaAsync();
        await using var world = scene.World;
        await world.CreateDeploymentAsync(scene.Team, "chat", 1, 1, Ct);
        await ScaledObjectAsync(scene, """ "annotations": {"autoscaling.keda.sh/paused-replicas": "0"}, """);
        await keda.UntilAsync("it is at zero", async () => await scene.ReplicasAsync("chat") == 0);
        await scene.BudgetAsync("100", Zero);
        await keda.PassAsync(45);
        (await PausedAsync(scene)).Should().Be("0");
        (await scene.StatusAsync())!.SuspendedCount.Should().Be(0);
    }

    [Fact]
    public async Task HPA_is_disabled_by_zero_replicas_so_its_Deployment_is_scaled_to_zero()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var hpa = new FakeAutoscaler(scene);
        await world.CreateDeploymentAsync(scene.Team, "chat", 2, 1, Ct);
        await AutoscalerAsync(scene, 1);
        await scene.BudgetAsync("0.01", Zero);
        await hpa.UntilAsync("it is at zero", async () => await scene.ReplicasAsync("chat") == 0);
        await hpa.PassAsync(40);
        (await scene.ReplicasAsync("chat")).Should().Be(0);
        await scene.SetLimitAsync("100");
        await hpa.UntilAsync("it is back", async () => await scene.ReplicasAsync("chat") == 2);
    }

    [Fact]
    public async Task HPAScaleToZero_scales_from_zero_so_a_Deployment_under_it_is_reported()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        var hpa = new FakeAutoscaler(scene);
        await world.CreateDeploymentAsync(scene.Team, "chat", 1, 1, Ct);
        await AutoscalerAsync(scene, 0);
        // The trap itself.
        await world.Client.PatchAsync<V1Deployment>(
            "chat",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"spec": {"replicas": 0}}""")!) with
            {
                Subresource = "scale",
            },
            Ct
        );
        await hpa.UntilAsync("the HPA has undone it", async () => await scene.ReplicasAsync("chat") == 1);
        await scene.BudgetAsync("0.01", Zero);
        await hpa.UntilAsync("it is reported", async () =>
            (await scene.StatusAsync())
                ?.Workloads?.SingleOrDefault(w => w.Name == "chat")
                ?.Reason?.Contains("from zero too", StringComparison.Ordinal) == true
        );
        await hpa.PassAsync(20);
        (await scene.ReplicasAsync("chat")).Should().Be(1);
        (await scene.ConditionAsync("FullyEnforceable"))!.Status.Should().Be("False");
    }

    [Fact]
    public async Task KServe_clamps_zero_to_one_so_its_stop_annotation_is_set_on_the_InferenceService()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await FakeManager.ServeAsync(scene, V1Beta1InferenceService.EntityKind);
        await world.StartOperatorAsync(Ct);
        var kserve = new FakeKServe(scene);
        await scene.CreateAsync(
            V1Beta1InferenceService.EntityKind.Path(scene.Team),
            """
            {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "llama", "annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
             "spec": {"predictor": {"minReplicas": 2, "model": {"modelFormat": {"name": "huggingface"}, "resources": {"limits": {"nvidia.com/gpu": "1"}}}}}}
            """
        );
        await kserve.UntilAsync("it serves", async () =>
            (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Count == 2
        );
        // The trap itself.
        await world.Client.PatchAsync<V1Deployment>(
            "llama-predictor",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"spec": {"replicas": 0}}""")!) with
            {
                Subresource = "scale",
            },
            Ct
        );
        await kserve.UntilAsync("KServe has undone it", async () => await scene.ReplicasAsync("llama-predictor") == 1);

        await scene.BudgetAsync("100", Zero);
        await kserve.UntilAsync("it is one workload, and KServe's Deployment none", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Kind: "InferenceService", Name: "llama", State: "Running", Gpus: 1 }]
        );
        await scene.SetLimitAsync("0.0001");
        await kserve.UntilAsync("it is stopped", async () => await StopAsync(kserve) == "true");
        await kserve.UntilAsync("its pods are gone", async () =>
            (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Count == 0
        );
        await kserve.PassAsync(40);
        (await scene.StatusAsync())!.Suspended.Should().ContainSingle(s => s.Kind == "InferenceService" && s.Name == "llama");

        await scene.SetLimitAsync("1000");
        await kserve.UntilAsync("it serves again", async () =>
            await StopAsync(kserve) is null && (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Count == 2
        );
        (await kserve.GetAsync(V1Beta1InferenceService.EntityKind, "llama"))!["metadata"]!["annotations"]!
            .ToJsonString()
            .Should()
            .Be("""{"serving.kserve.io/deploymentMode":"Standard"}""");
    }

    [Fact]
    public async Task Manager_that_this_operator_may_not_write_to_is_reported()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        var kueue = await FakeKueue.ServeAsync(scene);
        await world.StartOperatorAsync(Ct, new() { Managers = ["KEDA"] });
        await scene.BudgetAsync("1");
        await kueue.JobAsync("train");
        await kueue.UntilAsync("it is reported", async () =>
            (await scene.StatusAsync())?.Workloads?.SingleOrDefault()?.Reason?.Contains("operator.managers", StringComparison.Ordinal)
            == true
        );
        await kueue.PassAsync(15);
        (await kueue.IsActiveAsync("train")).Should().BeTrue();
    }

    [Fact]
    public void Records_of_earlier_versions_still_read()
    {
        const string old =
            """{"apiVersion":"batch/v1","kind":"Job","namespace":"team","name":"train","uid":"u","field":"/spec/suspend","original":"false","value":"true","since":"2026-11-21T09:00:00Z","reason":"DoesNotFit","budget":"b","budgetUid":"bu"}""";
        var shard = JsonSerializer.Deserialize($$"""{"name": "x", "parked": [{{old}}]}""", LedgerJson.Default.LedgerShard)!;
        shard
            .Suspensions.Should()
            .ContainSingle(record => record.Target == null && record.Replicas == null && record.Field == "/spec/suspend");
    }

    [Theory]
    [InlineData("it fits again")]
    [InlineData("the budget no longer selects it")]
    [InlineData("the budget is deleted")]
    public async Task Record_of_an_unknown_manager_stays_for_the_version_that_knows_it(string end)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("train", declared: "2h");
        await scene.UntilSuspendedAsync("train");
        await world.StopOperatorAsync();
        // A later version suspended it through a manager that this one does not know, and was rolled back.
        var ledger = (await world.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = ClusterWorld.OwnNamespace }, Ct)).Items.Single(
            item => item.Spec!.Kind == LedgerShard.BudgetKind
        );
        var data = JsonNode.Parse(ledger.Spec!.Data.GetRawText())!;
        var suspended = data["parked"]![0]!;
        suspended["target"] = JsonNode.Parse("""{"apiVersion": "scheduler.example/v1", "kind": "Gang", "name": "train", "uid": "gang"}""");
        (suspended["field"], suspended["original"], suspended["value"]) = ("/spec/active", "true", "false");
        await world.Client.PatchAsync<V1Alpha1GpuLedger>(
            ledger.Metadata.Name,
            ClusterWorld.OwnNamespace,
            KubePatch.Json(PatchOperation.Replace("/spec/data", data)),
            Ct
        );
        await world.StartOperatorAsync(Ct);

        if (end == "it fits again")
            await scene.SetLimitAsync("100");
        else if (end == "the budget is deleted")
            await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, Ct);
        else
            await world.Client.PatchAsync<V1Alpha1GpuBudget>(
                "b",
                scene.Team,
                KubePatch.Merge(JsonNode.Parse("""{"spec": {"selector": {"matchLabels": {"app": "another"}}}}""")!.AsObject()),
                Ct
            );
        await scene.PassAsync(120);

        var left = (await world.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = ClusterWorld.OwnNamespace }, Ct)).Items.SelectMany(
            item => GpuLedgerShards.Read(item)?.Suspensions ?? []
        );
        left.Should().ContainSingle().Which.Target!.Kind.Should().Be("Gang");
    }

    private static async Task SuspendedThroughItsWorkloadAsync(Scene scene, FakeKueue kueue)
    {
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await kueue.JobAsync("train");
        await kueue.UntilAsync("its Workload is deactivated", async () => await kueue.IsActiveAsync("train") == false);
        await kueue.UntilAsync("Kueue has suspended it", () => scene.IsSuspendedAsync("train"));
        await kueue.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
    }

    private static async Task<(Scene, FakeKueue)> KueueAsync(bool asks = false)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        var kueue = await FakeKueue.ServeAsync(scene, asks);
        await scene.World.StartOperatorAsync(Ct);
        return (scene, kueue);
    }

    private static async Task<(Scene, FakeKeda)> KedaAsync()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await FakeManager.ServeAsync(scene, V1ScaledObject.EntityKind);
        await scene.World.StartOperatorAsync(Ct);
        return (scene, new(scene));
    }

    private static Task ScaledObjectAsync(Scene scene, string metadata) =>
        scene.CreateAsync(
            V1ScaledObject.EntityKind.Path(scene.Team),
            $$$"""{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { {{{metadata}}} "name": "chat-scaler"}, "spec": {"scaleTargetRef": {"name": "chat"}, "minReplicaCount": 1, "maxReplicaCount": 4}}"""
        );

    private static Task AutoscalerAsync(Scene scene, int least) =>
        scene.CreateAsync(
            $"/apis/autoscaling/v2/namespaces/{scene.Team}/horizontalpodautoscalers",
            $$$"""
            {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "chat-hpa"},
             "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}, "minReplicas": {{{least}}}, "maxReplicas": 4,
                      "metrics": [{"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "5"} } }]} }
            """
        );

    private static async Task<string?> PausedAsync(Scene scene) =>
        (await scene.World.Client.GetAsync<V1ScaledObject>("chat-scaler", scene.Team, Ct)).Metadata.Annotations.GetValueOrDefault(
            "autoscaling.keda.sh/paused-replicas"
        );

    private static async Task<string?> StopAsync(FakeManager kserve) =>
        (string?)
            (await kserve.GetAsync(V1Beta1InferenceService.EntityKind, "llama"))!["metadata"]!["annotations"]?["serving.kserve.io/stop"];
}
