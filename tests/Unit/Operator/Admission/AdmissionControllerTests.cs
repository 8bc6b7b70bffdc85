using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Admission;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.Merging;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Unit.Operator.Admission;

/// <summary>Admission requests as an API server sends them, against caches that the test fills.</summary>
public sealed class AdmissionControllerTests : IDisposable
{
    private const string Pods =
        """{"metadata": {"labels": {"team": "vision"}}, "spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "2"}}}]}}""";

    private readonly KubeClient _client = new(new KubeConfig { Server = new("http://127.0.0.1:1") });
    private readonly VirtualTimeProvider _time = new(new DateTimeOffset(2026, 11, 21, 10, 0, 0, TimeSpan.Zero));
    private readonly ClusterStores _stores;
    private readonly AdmissionController _admission;
    private bool _ready = true;

    public AdmissionControllerTests()
    {
        _stores = new(_client, "bursar");
        _admission = new(_stores, () => _ready, new DecisionStore(), "bursar", _time, NullLogger<AdmissionController>.Instance);
        Budget("nlp", """{"limit": {"cost": "500"}}""", """{"spent": "487.70", "limit": "500", "currency": "USD"}""");
    }

    public void Dispose() => _client.Dispose();

    /// <summary>A spec of each kind with a suspend field, without that field, and the path of the field.</summary>
    public static TheoryData<string, string, string, string> Kinds =>
        new()
        {
            { "Job", $$$$$$$$"""{"suspend": false, "template": {{{{{{{{Pods}}}}}}}}}""", "/spec/suspend", "false" },
            { "Job", $$$$$$$$"""{"template": {{{{{{{{Pods}}}}}}}}}""", "/spec/suspend", "absent" },
            {
                "JobSet",
                $$$$$$$$"""{"replicatedJobs": [{"name": "w", "template": {"spec": {"template": {{{{{{{{Pods}}}}}}}}}}}]}""",
                "/spec/suspend",
                "absent"
            },
            {
                "TrainJob",
                """{"suspend": false, "trainer": {"numNodes": 1, "resourcesPerNode": {"limits": {"nvidia.com/gpu": "2"}}}}""",
                "/spec/suspend",
                "false"
            },
            {
                "PyTorchJob",
                $$$$$$$$"""{"pytorchReplicaSpecs": {"Worker": {"replicas": 1, "template": {{{{{{{{Pods}}}}}}}}}}}""",
                "/spec/runPolicy/suspend",
                "absent"
            },
            {
                "TFJob",
                $$$$$$$$"""{"runPolicy": {"suspend": false}, "tfReplicaSpecs": {"Worker": {"template": {{{{{{{{Pods}}}}}}}}}}}""",
                "/spec/runPolicy/suspend",
                "false"
            },
            {
                "XGBoostJob",
                $$$$$$$$"""{"runPolicy": {}, "xgbReplicaSpecs": {"Worker": {"template": {{{{{{{{Pods}}}}}}}}}}}""",
                "/spec/runPolicy/suspend",
                "absent"
            },
            {
                "PaddleJob",
                $$$$$$$$"""{"runPolicy": {}, "paddleReplicaSpecs": {"Worker": {"template": {{{{{{{{Pods}}}}}}}}}}}""",
                "/spec/runPolicy/suspend",
                "absent"
            },
            {
                "JAXJob",
                $$$$$$$$"""{"runPolicy": {}, "jaxReplicaSpecs": {"Worker": {"template": {{{{{{{{Pods}}}}}}}}}}}""",
                "/spec/runPolicy/suspend",
                "absent"
            },
            {
                "MPIJob",
                $$$$$$$$"""{"runPolicy": {}, "mpiReplicaSpecs": {"Worker": {"template": {{{{{{{{Pods}}}}}}}}}}}""",
                "/spec/runPolicy/suspend",
                "absent"
            },
            {
                "RayJob",
                $$$$$$$$"""{"shutdownAfterJobFinishes": true, "rayClusterSpec": {"workerGroupSpecs": [{"replicas": 1, "template": {{{{{{{{Pods}}}}}}}}}]}}""",
                "/spec/suspend",
                "absent"
            },
        };

    [Fact]
    public void New_workload_with_odd_field_types_is_parsed() =>
        WorkloadKinds
            .Find("TrainJob")!
            .Parse(
                JsonSerializer.Deserialize<JsonElement>(
                    """{"metadata": {"name": "a"}, "spec": {"suspend": "true", "trainer": {"numNodes": "2", "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}}}}"""
                )
            )
            .Should()
            .Match<WorkloadObject>(work => work.Gpus == 2 && work.IsStopped && work.WhyNot == null);

    [Fact]
    public void Test_cases_cover_every_kind_that_suspends() =>
        Kinds
            .Select(row => (string)row[0])
            .Distinct()
            .Should()
            .BeEquivalentTo(WorkloadKinds.All.Where(kind => kind.Suspends).Select(kind => kind.Name));

    [Theory]
    [MemberData(nameof(Kinds))]
    public void New_GPU_workload_of_every_kind_is_gated_and_restored_exactly(string kind, string spec, string field, string was)
    {
        var before = Object(kind, spec);
        var answer = Ask(before);

        answer.Warnings.Should().ContainSingle().Which.Should().ContainAll("gpubudget nlp", "12.30 of 500.00 USD", kind, "2 GPUs");
        var held = Patched(before, answer);
        ((bool)At(held, field)!).Should().BeTrue();
        ((string)held["metadata"]!["annotations"]!["bursar.dev/gated-on-creation"]!).Should().Be(was);
        var work = WorkloadKinds.Find(kind)!.Parse(JsonSerializer.SerializeToElement(held))!;
        AdmissionGate.IsGated(work).Should().BeTrue();
        AdmissionGate.OriginalOf(work).Should().Be(was == "absent" ? "null" : "false");

        // A second request changes nothing. The leader restores the original object.
        Ask(held)
            .Should()
            .BeEquivalentTo(
                new
                {
                    Allowed = true,
                    Patch = (byte[]?)null,
                    answer.Warnings,
                }
            );
        var back = JsonPatch.Apply(held, JsonNode.Parse(KubePatch.Json([.. AdmissionGate.Remove(work)]).Body.Span))!.AsObject();
        back["metadata"]!.AsObject().Remove("annotations");
        if (At(back, "/spec/runPolicy") is JsonObject { Count: 0 } && At(before, "/spec/runPolicy") is null)
            back["spec"]!.AsObject().Remove("runPolicy");
        back.ToJsonString().Should().Be(before.ToJsonString());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Workload_created_suspended_by_its_user_is_left_alone(string kind, string spec, string field, string was)
    {
        _ = was;
        var own = Object(kind, spec);
        if (field.Contains("runPolicy", StringComparison.Ordinal))
            own["spec"]!["runPolicy"] = new JsonObject { ["suspend"] = true };
        else
            own["spec"]!["suspend"] = true;
        Untouched(Ask(own));
    }

    [Fact]
    public void Object_outside_its_scope_is_admitted_unchanged()
    {
        Untouched(Ask(Job(gpus: 0)));
        Untouched(Ask(Job(), ns: "other"), "no budget is there");
        Untouched(Ask(Job(), operation: "UPDATE"));
        Untouched(Ask(Job(), subresource: "status"));
        Untouched(Ask(Object("Deployment", $$$$$$$$"""{"replicas": 3, "template": {{{{{{{{Pods}}}}}}}}}""")), "it scales");
        var queued = Job();
        queued["metadata"]!["labels"] = new JsonObject { ["kueue.x-k8s.io/queue-name"] = "gpus" };
        Untouched(Ask(queued), "Kueue suspends it itself");
        var part = Job();
        part["metadata"]!["ownerReferences"] = JsonNode.Parse(
            """[{"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": "s", "uid": "1", "controller": true}]"""
        );
        Untouched(Ask(part), "its JobSet is the workload");
        var foreign = Job();
        foreign["apiVersion"] = "batch.volcano.sh/v1alpha1";
        Untouched(Ask(foreign), "another group's Job");
    }

    [Fact]
    public void Budget_that_does_not_select_the_workload_is_ignored()
    {
        Budget("nlp", """{"limit": {"cost": "500"}, "selector": {"matchLabels": {"team": "nlp"}}}""");
        Untouched(Ask(Job()));
        Budget("vision", """{"limit": {"cost": "20"}, "selector": {"matchLabels": {"team": "vision"}}}""");
        Ask(Job()).Warnings.Should().ContainSingle().Which.Should().StartWith("gpubudget vision: ");
    }

    [Fact]
    public void Unreadable_budget_gates_nothing_and_warns()
    {
        Budget("nlp", """{"limit": {"cost": "much"}}""");
        var answer = Ask(Job());
        answer.Patch.Should().BeNull();
        answer.Warnings.Should().ContainSingle().Which.Should().Contain("the budget's spec cannot be read");
    }

    [Fact]
    public void Observe_only_mode_gates_nothing_and_warns()
    {
        ((Store<V1ConfigMap>)_stores.Control.Store).Put(
            new()
            {
                Metadata = new()
                {
                    Name = "bursar-control",
                    Namespace = "bursar",
                    Uid = "c",
                },
                Data = new Dictionary<string, string> { ["enforcement"] = "observe" },
            }
        );
        var answer = Ask(Job());
        answer.Patch.Should().BeNull();
        answer.Warnings.Should().ContainSingle().Which.Should().Contain("observe-only mode");
    }

    [Fact]
    public void Unsynced_caches_admit_everything_unchanged()
    {
        _ready = false;
        Untouched(Ask(Job()));
    }

    [Fact]
    public void Leader_adds_the_price_to_the_warning()
    {
        _admission.Lead(_ => HourlyCost.FromDecimal(6.12m));
        Ask(Job()).Warnings.Should().ContainSingle().Which.Should().ContainAll("12.30 of 500.00 USD", "2 GPUs at 6.12 USD/h");
    }

    [Fact]
    public void Gated_workload_changed_by_another_webhook_is_judged_again()
    {
        var held = Patched(Job(), Ask(Job()));
        var queued = held.DeepClone().AsObject();
        queued["metadata"]!["labels"] = new JsonObject { ["kueue.x-k8s.io/queue-name"] = "gpus" };
        var keues = Patched(queued, Ask(queued));
        ((bool)keues["spec"]!["suspend"]!).Should().BeTrue("Kueue starts it");
        keues["metadata"]!["annotations"]!.AsObject().Should().BeEmpty();

        var elsewhere = held.DeepClone().AsObject();
        elsewhere["spec"]!["template"]!["spec"]!["containers"]![0]!.AsObject().Remove("resources");
        ((bool)Patched(elsewhere, Ask(elsewhere))["spec"]!["suspend"]!).Should().BeFalse("it requests no GPU any more");
    }

    [Fact]
    public void Unreadable_workload_is_admitted_unchanged()
    {
        var odd = Job();
        odd["spec"] = new JsonArray(1, 2);
        Untouched(Ask(odd));
        odd["spec"] = new JsonObject { ["suspend"] = "perhaps", ["template"] = "none" };
        Untouched(Ask(odd));
        Untouched(
            _admission.Review(
                new()
                {
                    Uid = "u",
                    Operation = "CREATE",
                    Kind = new("batch", "v1", "Job"),
                }
            )
        );
        Untouched(_admission.Review(new() { Uid = "u" }));
    }

    [Theory]
    [InlineData("Gate", "3.50", false)] // used up
    [InlineData("Gate", "2.50", true)] // there is budget left
    [InlineData("Report", "3.50", true)] // the default
    public void New_GPU_pod_is_refused_when_the_budget_gates_it_and_is_used_up(string whenExhausted, string spent, bool allowed)
    {
        Budget(
            "gated",
            $$"""{"limit": {"cost": "3"}, "interactive": {"whenExhausted": "{{whenExhausted}}"} }""",
            $$"""{"spent": "{{spent}}", "limit": "3", "currency": "USD"}"""
        );
        var answer = AskPodOf("2");

        answer.Allowed.Should().Be(allowed);
        answer.Patch.Should().BeNull();
        if (!allowed)
            answer.Status!.Message.Should().ContainAll("gpubudget gated", "3.50 of 3.00 USD");
        AskPodOf("0").Allowed.Should().BeTrue("it requests no GPU");
        AskPodOf("2", "other").Allowed.Should().BeTrue("the budget is not of its namespace");
    }

    [Theory]
    [InlineData("""{"limit": {"cost": "3"}, "interactive": {"whenExhausted": "Gate"}, "mode": "Observe"}""")]
    [InlineData("""{"limit": {"cost": "3"}, "interactive": {"whenExhausted": "Gate"}, "exempt": {"matchLabels": {"team": "vision"}}}""")]
    [InlineData("""{"limit": {"cost": "3"}, "interactive": {"whenExhausted": "Gate"}, "selector": {"matchLabels": {"team": "nlp"}}}""")]
    public void New_GPU_pod_is_not_refused_by_a_budget_that_does_not_gate(string spec)
    {
        Budget("gated", spec, """{"spent": "4", "limit": "3", "currency": "USD"}""");
        AskPodOf("1").Allowed.Should().BeTrue();
    }

    [Fact]
    public void New_GPU_pod_of_a_job_that_the_budget_suspends_is_not_refused()
    {
        Budget(
            "gated",
            """{"limit": {"cost": "3"}, "interactive": {"whenExhausted": "Gate"}}""",
            """{"spent": "4", "limit": "3", "currency": "USD"}"""
        );
        var job = Object("Job", $$$$$$$$"""{"template": {{{{{{{{Pods}}}}}}}}}""");
        job["metadata"] = JsonNode.Parse("""{"name": "train", "namespace": "team", "uid": "train"}""");
        ((Store<V1Job>)_stores.Jobs.Store).Put(JsonSerializer.Deserialize(job, V1Job.JsonTypeInfo)!);

        AskPodOf("1", owner: """{"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": "train", "controller": true}""")
            .Allowed.Should()
            .BeTrue();
        AskPodOf("1", owner: """{"apiVersion": "example.com/v1", "kind": "Notebook", "name": "nb", "uid": "nb", "controller": true}""")
            .Allowed.Should()
            .BeFalse("Bursar has no adapter for it");
    }

    [Fact]
    public void New_GPU_pod_with_a_resource_claim_is_refused_too()
    {
        Budget(
            "gated",
            """{"limit": {"cost": "3"}, "interactive": {"whenExhausted": "Gate"}}""",
            """{"spent": "4", "limit": "3", "currency": "USD"}"""
        );
        ((Store<V1ResourceClaimTemplate>)_stores.Gpus.Templates.Store).Put(
            new()
            {
                Metadata = new()
                {
                    Name = "h100",
                    Namespace = "team",
                    Uid = "t",
                },
                Spec = new() { Spec = new() { Requests = [new() { Name = "gpu", DeviceClassName = "gpu.nvidia.com" }] } },
            }
        );
        ((Store<V1DeviceClass>)_stores.Gpus.Classes.Store).Put(
            new()
            {
                Metadata = new() { Name = "gpu.nvidia.com", Uid = "c" },
            }
        );

        AskPod("""{"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "h100"}], "containers": [{"name": "main"}]}""")
            .Allowed.Should()
            .BeFalse("the claim is for a GPU");
        AskPod("""{"resourceClaims": [{"name": "nic", "resourceClaimTemplateName": "nic"}], "containers": [{"name": "main"}]}""")
            .Allowed.Should()
            .BeTrue("the template is unknown");
    }

    [Fact]
    public void New_workload_of_a_released_budget_is_neither_refused_nor_gated()
    {
        Budget(
            "nlp",
            """{"limit": {"cost": "3"}, "interactive": {"whenExhausted": "Gate"}}""",
            """{"spent": "4", "limit": "3", "currency": "USD"}"""
        );
        AskPodOf("1").Allowed.Should().BeFalse();
        Ask(Job()).Patch.Should().NotBeNull();

        Budget(
            "nlp",
            """{"limit": {"cost": "3"}, "interactive": {"whenExhausted": "Gate"}}""",
            """{"spent": "4", "limit": "3", "currency": "USD"}""",
            """{"bursar.dev/released": "0@2026-11-21T09:00:00Z"}"""
        );

        AskPodOf("1").Allowed.Should().BeTrue();
        var answer = Ask(Job());
        answer.Patch.Should().BeNull();
        answer.Warnings.Should().ContainSingle().Which.Should().Contain("bursar release");
    }

    [Theory]
    [InlineData("alice", "alice")]
    [InlineData("alice@example.com", "alice-example.com-ff8d9819fc0e12bf0d24")]
    public void New_workload_is_labelled_with_its_creator(string user, string value)
    {
        var job = Job();
        foreach (var labels in (JsonNode?[])[null, new JsonObject(), JsonNode.Parse("""{"a": "b", "bursar.dev/created-by": "bob"}""")])
        {
            job["metadata"]!["labels"] = labels?.DeepClone();
            var labelled = Patched(job, AskCreator(job, user));
            ((string?)labelled["metadata"]!["labels"]!["bursar.dev/created-by"]).Should().Be(value);
            ((string?)labelled["metadata"]!["annotations"]!["bursar.dev/created-by"]).Should().Be(user);
            ((string?)labelled["metadata"]!["labels"]!["a"]).Should().Be(labels is JsonObject { Count: > 0 } ? "b" : null);
            labelled["spec"]!.ToJsonString().Should().Be(job["spec"]!.ToJsonString(), "only the path /admit gates");
            Untouched(AskCreator(labelled, user), "a second request changes nothing");
        }
    }

    /// <summary>Only the cluster's controller makes runs in the name of the creator of the CronJob.</summary>
    [Theory]
    [InlineData(
        "system:serviceaccount:kube-system:cronjob-controller",
        true,
        "alice-example.com-ff8d9819fc0e12bf0d24",
        "alice@example.com"
    )]
    [InlineData("system:kube-controller-manager", true, "alice-example.com-ff8d9819fc0e12bf0d24", "alice@example.com")]
    [InlineData("system:kube-controller-manager", false, null, null)]
    [InlineData("bob", true, "bob", "bob")]
    public void Run_of_a_CronJob_has_its_creator(string user, bool isLabelled, string? value, string? name)
    {
        ((Store<V1CronJob>)_stores.CronJobs.Store).Put(
            new()
            {
                Metadata = new()
                {
                    Name = "nightly",
                    Namespace = "team",
                    Uid = "c",
                    Labels = isLabelled
                        ? new Dictionary<string, string> { ["bursar.dev/created-by"] = "alice-example.com-ff8d9819fc0e12bf0d24" }
                        : [],
                    Annotations = isLabelled ? new Dictionary<string, string> { ["bursar.dev/created-by"] = "alice@example.com" } : [],
                },
            }
        );
        var run = Job();
        run["metadata"] = JsonNode.Parse(
            """
            {"name": "nightly-1", "labels": {"bursar.dev/created-by": "carol"},
             "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "c", "controller": true}]}
            """
        );

        var made = Patched(run, AskCreator(run, user))["metadata"]!;

        ((string?)made["labels"]!["bursar.dev/created-by"]).Should().Be(value);
        ((string?)made["annotations"]?["bursar.dev/created-by"]).Should().Be(name);
        run["metadata"]!["ownerReferences"]![0]!["uid"] = "another";
        ((string?)Patched(run, AskCreator(run, user))["metadata"]!["labels"]!["bursar.dev/created-by"])
            .Should()
            .Be(user == "bob" ? "bob" : null, "the CronJob was recreated");
    }

    [Fact]
    public void Part_and_odd_object_get_no_creator()
    {
        var part = Job();
        part["metadata"]!["ownerReferences"] = JsonNode.Parse(
            """[{"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": "s", "uid": "1", "controller": true}]"""
        );
        Untouched(AskCreator(part, "alice"), "its JobSet is the workload");
        Untouched(AskCreator(Job(), ""));
        Untouched(AskCreator(Job(), "alice", "UPDATE"));
        Untouched(AskCreator([], "alice"));
        Untouched(AskCreator(new() { ["metadata"] = new JsonArray(1) }, "alice"));
        Untouched(_admission.LabelCreator(new() { Uid = "u" }));
    }

    private AdmissionResponse AskCreator(JsonObject created, string user, string operation = "CREATE") =>
        _admission.LabelCreator(
            new()
            {
                Uid = "u",
                Operation = operation,
                Namespace = "team",
                Kind = new("batch", "v1", "Job"),
                UserInfo = new(
                    user,
                    user.Contains(":kube-system:", StringComparison.Ordinal)
                        ? ["system:serviceaccounts", "system:serviceaccounts:kube-system"]
                        : ["system:authenticated"]
                ),
                Object = JsonSerializer.SerializeToElement(created),
            }
        );

    private AdmissionResponse AskPodOf(string gpus, string ns = "team", string? owner = null) =>
        AskPod($$"""{"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "{{gpus}}"} } }] }""", ns, owner);

    private AdmissionResponse AskPod(string spec, string ns = "team", string? owner = null) =>
        _admission.Review(
            new()
            {
                Uid = "u",
                Operation = "CREATE",
                Namespace = ns,
                Kind = new("", "v1", "Pod"),
                Object = JsonSerializer.Deserialize<JsonElement>(
                    $$"""
                    {"metadata": {"name": "notebook", "labels": {"team": "vision"}, "ownerReferences": [{{owner}}]},
                     "spec": {{spec}} }
                    """
                ),
            }
        );

    private static JsonObject Job(int gpus = 2) =>
        Object(
            "Job",
            $$$$$$$$"""{"suspend": false, "template": {{{{{{{{Pods.Replace("\"2\"", $"\"{gpus}\"", StringComparison.Ordinal)}}}}}}}}}"""
        );

    private static JsonObject Object(string kind, string spec) =>
        new()
        {
            ["apiVersion"] = WorkloadKinds.Find(kind)!.Entity.ApiVersion,
            ["kind"] = kind,
            ["metadata"] = new JsonObject { ["generateName"] = "train-" },
            ["spec"] = JsonNode.Parse(spec),
        };

    private AdmissionResponse Ask(JsonObject obj, string ns = "team", string operation = "CREATE", string? subresource = null)
    {
        var version = ((string)obj["apiVersion"]!).Split('/');
        return _admission.Review(
            new()
            {
                Uid = "u",
                Operation = operation,
                SubResource = subresource,
                Namespace = ns,
                Kind = new(version[0], version[1], (string)obj["kind"]!),
                Object = JsonSerializer.SerializeToElement(obj),
            }
        );
    }

    private static void Untouched(AdmissionResponse answer, string because = "") =>
        answer.Should().BeEquivalentTo(new AdmissionResponse { Uid = "u" }, because);

    private static JsonObject Patched(JsonObject obj, AdmissionResponse answer)
    {
        answer.PatchType.Should().Be("JSONPatch");
        return JsonPatch.Apply(obj, JsonNode.Parse(answer.Patch!))!.AsObject();
    }

    private static JsonNode? At(JsonNode node, string pointer) =>
        pointer.Split('/', StringSplitOptions.RemoveEmptyEntries).Aggregate((JsonNode?)node, (at, key) => at?[key]);

    private void Budget(string name, string spec, string status = "{}", string annotations = "{}") =>
        ((Store<V1Alpha1GpuBudget>)_stores.Budgets.Store).Put(
            JsonSerializer.Deserialize(
                $$"""{"metadata": {"name": "{{name}}", "namespace": "team", "uid": "{{name}}", "annotations": {{annotations}} }, "spec": {{spec}}, "status": {{status}} }""",
                ApiJson.GpuBudget
            )!
        );
}
