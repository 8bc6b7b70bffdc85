using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Hosting;
using Bursar.Sandbox.ApiServer;
using Bursar.Sandbox.Merging;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Jobs that the webhook gates, and the leader's verdict on them. The Sandbox calls no webhooks, so the test sends each object to the
/// operator's endpoint as an API server would and creates the result. RealAdmissionTests does the same with a real API server.
/// </summary>
public sealed class AdmissionTests
{
    private static readonly OperatorOptions WithWebhook = new() { WebhookAddress = "127.0.0.1:0" };

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Webhook_changes_no_outcome()
    {
        var without = await ScenarioAsync(webhook: false);
        var with = await ScenarioAsync(webhook: true);
        with.Should().Be(without);
        without
            .Should()
            .Contain("too-long suspended=true")
            .And.Contain("fits suspended=false")
            .And.Contain("own suspended=true")
            .And.Contain("SuspendedByOther");
    }

    [Fact]
    public async Task Gated_job_that_fits_is_resumed_at_once_and_leaves_no_trace()
    {
        var (scene, webhook) = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var answer = await CreateAsync(scene, webhook, Job("fits", "10m"));
        answer["warnings"]![0]!.GetValue<string>().Should().ContainAll("gpubudget b", "10.00 of 10.00 USD", "1 GPU at 3.06 USD/h");

        await scene.UntilRunsAsync("fits");
        var job = await world.JobAsync(scene.Team, "fits", Ct);
        job.Metadata.Annotations.Keys.Should().Equal("bursar.dev/expected-duration");
        (await scene.EventsAsync("Resumed", "fits")).Should().BeEmpty();
        world.Operator!.State.Suspensions().Should().BeEmpty();
        (await scene.StatusAsync())!.Decisions.Should().BeNullOrEmpty();
    }

    [Fact]
    public async Task Gated_job_edited_by_its_user_before_the_verdict_is_not_left_suspended()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        foreach (var name in (string[])["edited", "theirs"])
        {
            var job = Job(name, "10m");
            job["spec"]!["suspend"] = true;
            job["metadata"]!["annotations"]![AdmissionGate.Annotation] = "absent";
            await scene.CreateAsync(JobsOf(scene), job.ToJsonString());
        }
        await scene.PassAsync(5);
        // Another field manager: a user who created the job and writes to it later may have written the field again.
        using var editor = new KubeClient(world.Config, new() { TimeProvider = world.Time, UserAgent = "kubectl-edit/v1.36" });
        await editor.PatchAsync<V1Job>(
            "edited",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"spec": {"activeDeadlineSeconds": 86400}}""")!),
            Ct
        );
        await scene.SuspendAsync("theirs", false);
        await scene.SuspendAsync("theirs", true);
        await world.StartOperatorAsync(Ct);

        await scene.UntilAsync("edited runs", () => scene.RunsAsync("edited"), TimeSpan.FromMinutes(3));
        (await scene.UntilEventAsync("Resumed", "edited")).Note.Should().StartWith("Resumed: it was made suspended by Bursar's webhook");
        await scene.PassAsync(90);
        (await scene.IsSuspendedAsync("theirs")).Should().BeTrue("its user suspended it");
    }

    [Fact]
    public async Task Gate_annotation_set_by_a_user_does_not_resume_a_job_suspended_after_it_ran()
    {
        var (scene, webhook) = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        // The job was resumed after its admission. Then its user suspends it and adds the annotation.
        await CreateAsync(scene, webhook, Job("again", "10m"));
        await scene.UntilRunsAsync("again");
        await scene.SuspendAsync("again", true);
        await MarkAsync(scene, "again");
        // Made suspended on purpose, and marked at once: the same as not suspending it.
        var forged = Job("forged", "10m");
        forged["spec"]!["suspend"] = true;
        forged["metadata"]!["annotations"]![AdmissionGate.Annotation] = "absent";
        await scene.CreateAsync(JobsOf(scene), forged.ToJsonString());
        var dear = Job("dear", "20h");
        dear["spec"]!["suspend"] = true;
        dear["metadata"]!["annotations"]![AdmissionGate.Annotation] = "no such word";
        await scene.CreateAsync(JobsOf(scene), dear.ToJsonString());

        await scene.UntilRunsAsync("forged");
        await scene.UntilAsync("what does not fit is suspended", async () =>
            (await scene.StatusAsync())?.Suspended?.Select(s => s.Name).SequenceEqual(["dear"]) == true
        );
        await scene.PassAsync(15);
        (await scene.IsSuspendedAsync("again")).Should().BeTrue("its user suspended it");
        (await scene.IsSuspendedAsync("dear")).Should().BeTrue();
    }

    [Fact]
    public async Task Job_gated_under_the_former_annotation_is_evaluated_and_loses_it()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        foreach (var (name, duration) in ((string, string)[])[("fits", "10m"), ("too-large", "20h")])
        {
            var job = Job(name, duration);
            job["spec"]!["suspend"] = true;
            job["metadata"]!["annotations"]![AdmissionGate.FormerAnnotation] = "absent";
            await scene.CreateAsync(JobsOf(scene), job.ToJsonString());
        }
        await world.StartOperatorAsync(Ct);

        await scene.UntilRunsAsync("fits");
        await scene.UntilAsync("the large job is suspended by the budget", async () =>
            (await scene.StatusAsync())?.Suspended?.Select(s => s.Name).SequenceEqual(["too-large"]) == true
        );
        await scene.PassAsync(15);
        foreach (var name in (string[])["fits", "too-large"])
            (await world.JobAsync(scene.Team, name, Ct)).Metadata.Annotations.Should().NotContainKey(AdmissionGate.FormerAnnotation);
    }

    [Fact]
    public async Task Gated_job_that_no_budget_selects_is_resumed()
    {
        var (scene, webhook) = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var held = await AskAsync(scene, webhook, Job("left", "10m"));
        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, Ct);
        await scene.PassAsync(1);
        await scene.CreateAsync(JobsOf(scene), held.Object.ToJsonString());
        (await scene.IsSuspendedAsync("left")).Should().BeTrue();
        await scene.UntilResumedAsync("left", TimeSpan.FromSeconds(20));
        (await world.JobAsync(scene.Team, "left", Ct)).Metadata.Annotations.Should().NotContainKey(AdmissionGate.Annotation);
    }

    [Fact]
    public async Task Budget_set_to_Observe_resumes_jobs_gated_before()
    {
        var (scene, webhook) = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var held = await AskAsync(scene, webhook, Job("dear", "20h"));
        await scene.SetControlAsync("enforcement", "observe");
        await scene.PassAsync(1);
        await scene.CreateAsync(JobsOf(scene), held.Object.ToJsonString());
        await scene.UntilRunsAsync("dear");

        var (later, answer) = await AskAsync(scene, webhook, Job("later", "20h"));
        ((bool)later["spec"]!["suspend"]!).Should().BeFalse();
        answer["warnings"]![0]!.GetValue<string>().Should().Contain("observe-only mode");
    }

    [Fact]
    public async Task Gated_job_of_two_budgets_waits_for_both()
    {
        var (scene, webhook) = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1000", name: "wide");
        await scene.BudgetAsync("1", name: "narrow");
        await scene.UntilAsync("the budgets are seen", async () =>
            await scene.StatusAsync("wide") is not null && await scene.StatusAsync("narrow") is not null
        );
        var answer = await CreateAsync(scene, webhook, Job("dear", "20h"));
        answer["warnings"]!.AsArray().Should().HaveCount(2);
        await scene.UntilAsync("the narrow one suspends it", async () => (await scene.StatusAsync("narrow"))?.SuspendedCount == 1);
        await scene.PassAsync(12);
        var job = await world.JobAsync(scene.Team, "dear", Ct);
        job.Spec.Suspend.Should().BeTrue();
        job.Metadata.Generation.Should().Be(1, "it was never started");
        job.Metadata.Annotations.Should()
            .Contain("bursar.dev/suspended-by", "gpubudget/narrow")
            .And.NotContainKey(AdmissionGate.Annotation);

        await scene.SetLimitAsync("1000", "narrow");
        await scene.UntilRunsAsync("dear");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Gated_job_of_a_leader_that_dies_is_suspended_by_its_successor(bool happens)
    {
        var (scene, webhook) = await OpenAsync(WithWebhook with { Identity = "first" });
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        scene.Sandbox.Server.Faults.Add(
            new(happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
            {
                Client = "(first)",
                Resource = "jobs",
                Verb = "patch",
                Times = 1,
                Then = new(new Fault.Answer(500)) { Client = "(first)" },
            }
        );
        await CreateAsync(scene, webhook, Job("dear", "20h"));
        await scene.UntilAsync("it dies", () => Task.FromResult(scene.Sandbox.Server.Faults.Shown >= 1));
        await world.AbandonOperatorAsync();
        await world.StartOperatorAsync(Ct, WithWebhook with { Identity = "second" });

        await scene.UntilAsync("it is suspended, and marked so", async () =>
            await world.JobAsync(scene.Team, "dear", Ct) is { Spec.Suspend: true } job
            && job.Metadata.Annotations.ContainsKey("bursar.dev/suspended-by")
            && !job.Metadata.Annotations.ContainsKey(AdmissionGate.Annotation)
        );
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        world.Operator!.State.Suspensions().Should().ContainSingle().Which.Field.Original.Should().Be("false");
        (await world.JobAsync(scene.Team, "dear", Ct)).Metadata.Generation.Should().Be(1, "it was never started");
        await scene.SetLimitAsync("1000");
        await scene.UntilRunsAsync("dear");
    }

    [Fact]
    public async Task Standby_replica_answers_the_webhook_and_writes_nothing()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await using var first = world.StartReplica(
            new()
            {
                LeaderElect = true,
                Identity = "a",
                Seed = 1,
            }
        );
        await first.LeadsAsync(Ct);
        await using var second = world.StartReplica(WithWebhook with { LeaderElect = true, Identity = "b", Seed = 2 });
        await second.StandsByAsync(Ct);
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is { Limit: not null });
        await scene.PassAsync(3);
        var answer = await CreateAsync(scene, await second.WebhookAsync(Ct), Job("dear", "20h"));
        // The standby knows what the leader wrote, and no prices.
        answer["warnings"]![0]!.GetValue<string>().Should().ContainAll("gpubudget b", "1.00 of 1.00 USD", "1 GPU ").And.NotContain("/h");
        await scene.UntilAsync("the leader suspends it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        second.Leads.Should().BeFalse();
    }

    [Fact]
    public async Task Overridden_name_is_that_of_the_configuration_and_of_the_certificate()
    {
        var (scene, webhook) = await OpenAsync(WithWebhook with { WebhookName = "gpu-costs" });
        await using var world = scene.World;
        await scene.CreateAsync(
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            """
            {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "gpu-costs"},
             "webhooks": [{"name": "jobs.admission.bursar.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None",
               "clientConfig": {"service": {"name": "gpu-costs-webhook", "namespace": "bursar-system", "path": "/admit"}}}]}
            """
        );
        byte[]? bundle = null;
        await scene.UntilAsync("the leader writes the certificate authority", async () =>
        {
            var written = await world.Client.GetAsync<V1MutatingWebhookConfiguration>("gpu-costs", null, Ct);
            return (bundle = written.Webhooks[0].ClientConfig.CaBundle) is not null;
        });
        X509Certificate2? presented = null;
        using var client = new HttpClient(
            new SocketsHttpHandler
            {
                SslOptions = new()
                {
                    RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                    {
                        presented = X509CertificateLoader.LoadCertificate(certificate!.GetRawCertData());
                        return true;
                    },
                },
            }
        );
        await scene.UntilAsync("the webhook answers", async () =>
        {
            try
            {
                using var response = await client.GetAsync(new Uri($"https://{webhook}/admit"), Ct);
                return true;
            }
            catch (HttpRequestException)
            {
                // The connection is closed while there is no certificate.
                return false;
            }
        });

        presented!.MatchesHostname("gpu-costs-webhook.bursar-system.svc").Should().BeTrue("the API server expects the Service's name");
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.ImportFromPem(System.Text.Encoding.UTF8.GetString(bundle!));
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = world.Time.GetUtcNow().UtcDateTime;
        chain.Build(presented).Should().BeTrue("it is signed by the authority in the configuration");
    }

    [Theory]
    [InlineData("example.com/gpu", "example.com/gpu", false)]
    [InlineData("example.com/*-card", "example.com/big-card", false)]
    [InlineData("example.com/*-card,!example.com/sound-card", "example.com/sound-card", true)]
    [InlineData("example.com/*-card", "example.com/fpga", true)]
    [InlineData("", "example.com/big-card", true)]
    public async Task New_pod_with_a_configured_GPU_resource_is_gated(string gpuResources, string resource, bool allowed)
    {
        var (scene, webhook) = await OpenAsync(WithWebhook with { Gpus = GpuResources.Parse(gpuResources) });
        await using var world = scene.World;
        await scene.BudgetAsync("100", """{"interactive": {"whenExhausted": "Gate"}}""");
        await scene.JobAsync("first");
        await scene.UntilRunsAsync("first");
        await scene.PassAsync(60);
        await scene.SetLimitAsync("0.01");
        await scene.UntilAsync("the budget is used up", async () => (await scene.StatusAsync())?.State == "Exhausted");

        var answer = await AskOfPodAsync(scene, webhook, resource);
        ((bool)answer["allowed"]!).Should().Be(allowed);
        if (!allowed)
            ((string)answer["status"]!["message"]!)
                .Should()
                .Contain("gpubudget b is used up")
                .And.Contain("interactive.whenExhausted: Gate");
        await scene.SetLimitAsync("100");
        await scene.UntilAsync("the budget has room", async () => (await scene.StatusAsync())?.State != "Exhausted");
        ((bool)(await AskOfPodAsync(scene, webhook, resource))["allowed"]!).Should().BeTrue();
    }

    /// <summary>
    /// Plays jobs that fit, that do not fit, that their user suspends, and that no budget selects, then a top-up. Returns the final state
    /// as text without times.
    /// </summary>
    private static async Task<string> ScenarioAsync(bool webhook)
    {
        var (scene, door) = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync(
            "2",
            """{"selector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["outside"]}]}}"""
        );
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        foreach (
            var job in (JsonObject[])
                [
                    Job("fits", "10m"),
                    Job("too-long", "2h"),
                    Job("own", "10m", suspended: true),
                    Job("outside", "10m"),
                    Job("never", "2000h"),
                    Job("bare", null),
                ]
        )
        {
            if (webhook)
                await CreateAsync(scene, door, job);
            else
                await scene.CreateAsync(JobsOf(scene), job.ToJsonString());
            await scene.PassAsync(3);
        }
        await scene.PassAsync(70);
        var text = await TextAsync(scene);
        await scene.SetLimitAsync("100");
        await scene.UntilResumedAsync("too-long");
        await scene.PassAsync(70);
        return text + "\n== after a top-up\n" + await TextAsync(scene);
    }

    private static async Task<string> TextAsync(Scene scene)
    {
        var lines = new List<string>();
        foreach (
            var job in (await scene.World.Client.ListAsync<V1Job>(new() { Namespace = scene.Team }, Ct)).Items.OrderBy(
                j => j.Metadata.Name,
                StringComparer.Ordinal
            )
        )
            lines.Add(
                $"{job.Metadata.Name} suspended={(job.Spec.Suspend is { } on ? on ? "true" : "false" : "absent")} active={job.Status.Active ?? 0} {string.Join(' ', job.Metadata.Annotations.OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => $"{a.Key}={a.Value}"))}"
            );
        lines.AddRange(
            (await scene.World.EventsAsync(scene.Team, Ct))
                .Where(e => e.ReportingController == "bursar.dev/operator")
                .Select(e => $"event {e.Reason} {e.Regarding?.Kind}/{e.Regarding?.Name} {e.Note}")
                .Order(StringComparer.Ordinal)
        );
        lines.AddRange(
            scene
                .World.Operator!.State.Suspensions()
                .Select(p => $"ledger {p.Kind}/{p.Name} {p.Field.Pointer} {p.Field.Original} -> {p.Field.Value} {p.Reason}")
                .Order(StringComparer.Ordinal)
        );
        var status = (await scene.StatusAsync())!;
        lines.Add(
            $"status {status.State} {status.Spent} {status.Reserved} suspended={status.SuspendedCount} {string.Join(' ', status.Conditions!.Select(c => $"{c.Type}={c.Status}/{c.Reason}"))}"
        );
        lines.AddRange(status.Workloads!.Select(w => $"work {w.Kind}/{w.Name} {w.State} {w.Reason}").Order(StringComparer.Ordinal));
        lines.AddRange(
            status.Decisions!.Select(d => $"decision {d.Action} {d.Object} {d.Reason} {d.Message}").Order(StringComparer.Ordinal)
        );
        // The cost of a job depends on the second in which the status was written.
        return Regex.Replace(string.Join('\n', lines), "[0-9]+([.:TZ-][0-9:TZ.]+)*", "#");
    }

    private static async Task<(Scene Scene, string Webhook)> OpenAsync(OperatorOptions? options = null)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        var replica = await scene.World.StartOperatorAsync(Ct, options ?? WithWebhook);
        var door = await replica.WebhookAsync(Ct);
        return (scene, door);
    }

    private static string JobsOf(Scene scene) => $"/apis/batch/v1/namespaces/{scene.Team}/jobs";

    private static JsonObject Job(string name, string? declared, bool suspended = false)
    {
        var job = JsonNode
            .Parse(
                $$$$$$$$"""
                {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{{{{{{name}}}}}}}}", "annotations": {}},
                 "spec": {"backoffLimit": 2, "template": {"metadata": {"labels": {"app": "{{{{{{{{name}}}}}}}}"}}, "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
                   "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
                """
            )!
            .AsObject();
        if (declared is not null)
            job["metadata"]!["annotations"]!["bursar.dev/expected-duration"] = declared;
        if (suspended)
            job["spec"]!["suspend"] = true;
        return job;
    }

    /// <summary>Creates what an API server would, had it asked the webhook.</summary>
    private static async Task<JsonNode> CreateAsync(Scene scene, string webhook, JsonObject job)
    {
        var (patched, answer) = await AskAsync(scene, webhook, job);
        await scene.CreateAsync(JobsOf(scene), patched.ToJsonString());
        return answer;
    }

    private static async Task<(JsonObject Object, JsonNode Answer)> AskAsync(Scene scene, string webhook, JsonObject job)
    {
        // An API server fills in the defaults first.
        job = job.DeepClone().AsObject();
        job["spec"]!["suspend"] ??= false;
        var answer = await ReviewAsync(
            scene,
            webhook,
            new()
            {
                ["group"] = "batch",
                ["version"] = "v1",
                ["kind"] = "Job",
            },
            job
        );
        ((bool)answer["allowed"]!).Should().BeTrue();
        return (
            (
                answer["patch"] is { } patch
                    ? JsonPatch.Apply(job, JsonNode.Parse(Convert.FromBase64String((string)patch!)))!
                    : job.DeepClone()
            ).AsObject(),
            answer
        );
    }

    /// <summary>The answer about a new pod that nothing owns.</summary>
    private static Task<JsonNode> AskOfPodAsync(Scene scene, string webhook, string resource) =>
        ReviewAsync(
            scene,
            webhook,
            new()
            {
                ["group"] = "",
                ["version"] = "v1",
                ["kind"] = "Pod",
            },
            JsonNode
                .Parse(
                    $$$$"""
                    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "{{{{scene.Team}}}}"},
                     "spec": {"containers": [{"name": "main", "image": "example/shell", "resources": {"limits": {"{{{{resource}}}}": "1"}}}]}}
                    """
                )!
                .AsObject()
        );

    /// <summary>Sends a new object to the operator's endpoint as an API server would. Returns the answer.</summary>
    internal static async Task<JsonNode> ReviewAsync(
        Scene scene,
        string webhook,
        JsonObject kind,
        JsonObject created,
        string path = "/admit",
        string user = "kubernetes-admin"
    )
    {
        var review = new JsonObject
        {
            ["apiVersion"] = "admission.k8s.io/v1",
            ["kind"] = "AdmissionReview",
            ["request"] = new JsonObject
            {
                ["uid"] = "1",
                ["kind"] = kind,
                ["operation"] = "CREATE",
                ["namespace"] = scene.Team,
                ["userInfo"] = new JsonObject { ["username"] = user, ["groups"] = new JsonArray("system:authenticated") },
                ["object"] = created.DeepClone(),
            },
        };
        // The certificate is checked by the clock of the test's world, not by the machine's.
        using var client = new HttpClient(
            new SocketsHttpHandler { SslOptions = new() { RemoteCertificateValidationCallback = (_, _, _, _) => true } }
        );
        JsonNode answer = null!;
        await scene.UntilAsync("the webhook answers", async () =>
        {
            try
            {
                using var body = new StringContent(review.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
                using var response = await client.PostAsync(new Uri($"https://{webhook}{path}"), body, Ct);
                answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(Ct))!["response"]!;
                return true;
            }
            catch (Exception none) when (none is HttpRequestException or System.Net.Sockets.SocketException)
            {
                // The connection is closed while there is no certificate.
                return false;
            }
        });
        return answer;
    }

    private static Task MarkAsync(Scene scene, string job) =>
        scene.World.Client.PatchAsync<V1Job>(
            job,
            scene.Team,
            KubePatch.Merge(
                new JsonObject
                {
                    ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [AdmissionGate.Annotation] = "absent" } },
                }
            ),
            Ct
        );
}
