using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Integration.Kubernetes;

public class MistypedFieldTests
{
    private const string Numeric = """
        {"metadata": {"name": "numeric", "uid": "u"}, "spec": {"suspend": "false", "activeDeadlineSeconds": "3600", "trainer": {"numNodes": "2", "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}}}}
        """;

    [Fact]
    public void Number_in_place_of_a_quantity_is_read()
    {
        V1Alpha1TrainJob job = Read<V1Alpha1TrainJob>(Numeric);
        job.Spec.Trainer!.ResourcesPerNode.Limits["nvidia.com/gpu"].Should().Be("1");
    }

    [Fact]
    public void Texts_in_place_of_numbers_and_booleans_are_read()
    {
        V1Alpha1TrainJob job = Read<V1Alpha1TrainJob>(Numeric);
        (job.Spec.Suspend, job.Spec.ActiveDeadlineSeconds, job.Spec.Trainer!.NumNodes).Should().Be((false, 3600, 2));
        job.Metadata.IsUnreadable.Should().BeFalse();
        job.Metadata.MistypedFields.Should().Contain(field => field.Path == "spec.suspend" && field.IsConverted);
    }

    [Theory]
    [InlineData("""{"suspend": {}}""", "spec.suspend is an object, not a boolean")]
    [InlineData("""{"suspend": "maybe"}""", "spec.suspend is a text, not a boolean")]
    [InlineData("""{"trainer": 7}""", "spec.trainer is a number, not an object")]
    [InlineData("""{"trainer": {"numNodes": 1.5}}""", "spec.trainer.numNodes is a number, not a whole number")]
    [InlineData("""{"trainer": {"numNodes": 3000000000}}""", "spec.trainer.numNodes is a number, not a whole number")]
    [InlineData(
        """{"trainer": {"resourcesPerNode": {"limits": {"nvidia.com/gpu": {}}}}}""",
        "spec.trainer.resourcesPerNode.limits[nvidia.com/gpu] is an object, not a text"
    )]
    [InlineData("""{"trainer": {"resourcesPerNode": []}}""", "spec.trainer.resourcesPerNode is a list, not an object")]
    [InlineData("""{"labels": "a=b", "trainer": null}""", "spec.labels is a text, not an object")]
    public void Mistyped_field_reads_as_absent_and_is_named(string spec, string expected)
    {
        V1Alpha1TrainJob job = Read<V1Alpha1TrainJob>(
            $$$"""{"metadata": {"name": "odd", "uid": "u", "labels": {"a": "b"}}, "spec": {{{spec}}}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}"""
        );
        job.Metadata.MistypedFields.Select(field => field.ToString()).Should().Equal(expected);
        job.Metadata.IsUnreadable.Should().BeTrue();
        job.Metadata.Labels.Should().ContainKey("a");
        job.Status.Conditions.Should().ContainSingle();
        job.Spec.Suspend.Should().BeNull();
    }

    [Theory]
    [InlineData("""{"conditions": [null, {"type": "Complete", "status": "True"}, "text"]}""")]
    [InlineData("""{"conditions": [ null , {"type": "Complete", "status": "True"}]}""")]
    [InlineData("""{"conditions": [{"type": "Complete", "status": "True"}, [], null]}""")]
    public void Null_and_odd_items_of_a_list_are_left_out(string status) =>
        Read<V1Alpha1TrainJob>($$"""{"metadata": {"name": "odd"}, "status": {{status}}}""")
            .Status.Conditions.Should()
            .ContainSingle()
            .Which.Type.Should()
            .Be("Complete");

    [Fact]
    public void Null_among_replica_types_means_none() =>
        Read<V1PyTorchJob>(
            """{"metadata": {"name": "odd"}, "spec": {"pytorchReplicaSpecs": {"Master": null, "Worker": {"replicas": 3}}}}"""
        )
            .Spec.Replicas.Should()
            .ContainSingle()
            .Which.Value.Replicas.Should()
            .Be(3);

    [Theory]
    [InlineData("\"\"")]
    [InlineData("null")]
    [InlineData("\"0001-01-01T00:00:00Z\"")]
    public void Time_that_was_never_set_is_absent(string time)
    {
        V1RayJob job = Read<V1RayJob>($$$"""{"metadata": {"name": "new"}, "status": {"startTime": {{{time}}}}}""");
        job.Status.StartTime.Should().BeNull();
        job.Metadata.MistypedFields.Should().BeEmpty();
    }

    [Fact]
    public void Nesting_that_the_API_server_accepts_is_read()
    {
        string deep = new StringBuilder().Insert(0, "{\"a\":", 400).Append('1').Append('}', 400).ToString();
        Read<V1Alpha2JobSet>($$$"""{"metadata": {"name": "deep"}, "spec": {"suspend": true, "unread": {{{deep}}}}}""")
            .Spec.Suspend.Should()
            .BeTrue();
    }

    [Fact]
    public void Odd_part_of_a_pod_template_is_named() =>
        Read<V1Alpha2JobSet>(
            """{"metadata": {"name": "odd"}, "spec": {"replicatedJobs": [{"template": {"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"resources": {"limits": 1}}]}}}}}]}}"""
        )
            .Metadata.MistypedFields.Should()
            .ContainSingle()
            .Which.Path.Should()
            .Be("spec.replicatedJobs[0].template.spec.template.spec.containers[1].resources.limits");

    [Fact]
    public void Object_without_metadata_is_rejected() =>
        FluentActions.Invoking(() => Read<V1Alpha1TrainJob>("""{"metadata": 7, "spec": {}}""")).Should().Throw<JsonException>();

    [Fact]
    public async Task Object_that_becomes_unreadable_replaces_its_old_form_and_recovers()
    {
        const string good =
            """{"metadata":{"name":"j","namespace":"a","uid":"u","resourceVersion":"1"},"spec":{"suspend":true,"trainer":{"numNodes":4}}}""";
        TaskCompletionSource seenOdd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using ScriptedServer server = await ScriptedServer.StartAsync(
            async (asked, context) =>
            {
                if (!asked.IsWatch)
                {
                    await context.JsonAsync($$"""{"metadata":{"resourceVersion":"1"},"items":[{{good}}]}""");
                    return;
                }

                await context.EventAsync(
                    "MODIFIED",
                    """{"metadata":{"name":"j","namespace":"a","uid":"u","resourceVersion":"2"},"spec":{"suspend":true,"trainer":"four"}}"""
                );
                await seenOdd.Task;
                await context.EventAsync(
                    "MODIFIED",
                    good.Replace("\"resourceVersion\":\"1\"", "\"resourceVersion\":\"3\"", StringComparison.Ordinal)
                );
                await context.HoldAsync();
            }
        );
        using KubeClient client = server.Client();
        Informer<V1Alpha1TrainJob> informer = new(client, new InformerOptions { StreamingList = false });
        List<IKubernetesObject> reported = [];
        informer.UnreadableSeen += reported.Add;
        using CancellationTokenSource stop = new();
        Task running = informer.RunAsync(stop.Token);
        await Until.TrueAsync(
            () => informer.Unreadable.Count == 1 && reported.Count == 1 && informer.Store.Get("a", "j")!.Spec.Trainer is null,
            "the unreadable form is reported and replaces the old one"
        );
        informer.Store.Get("a", "j")!.Spec.Suspend.Should().BeTrue();
        reported.Should().ContainSingle().Which.Metadata.Uid.Should().Be("u");
        seenOdd.SetResult();
        await Until.TrueAsync(
            () => informer.Unreadable.Count == 0 && informer.Store.Get("a", "j")!.Spec.Trainer?.NumNodes == 4,
            "the good form is back"
        );
        await stop.CancelAsync();
        await running;
        informer.Health.Lists.Should().Be(1);
    }

    public static TheoryData<string> Kinds => [.. Trials.Keys];

    /// <summary>Each field by itself, replaced by a value of every JSON type.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Mistyped_field_never_makes_its_object_unreadable(string kind) => Trials[kind].EachField();

    /// <summary>Several fields at once.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Mistyped_fields_together_never_make_their_object_unreadable(string kind)
    {
        // Pairs of a field and a value.
        Gen<int[]> changes = Gen.Choose(0, 100_000).ArrayOf(10);
        Prop.ForAll(changes.ToArbitrary(), Trials[kind].Several).Check(Config.QuickThrowOnFailure.WithMaxTest(100).WithReplay(20261129, 7));
    }

    [Fact]
    public void Every_kind_that_is_read_is_tried()
    {
        Type[] kinds =
        [
            .. new[] { typeof(V1Pod).Assembly, typeof(V1Alpha1GpuBudget).Assembly }
                .SelectMany(assembly => assembly.GetTypes())
                .Where(type =>
                    type is { IsClass: true, IsAbstract: false }
                    && type.GetInterfaces()
                        .Any(face => face.IsGenericType && face.GetGenericTypeDefinition() == typeof(IKubernetesEntity<>))
                ),
        ];
        kinds.Should().HaveCountGreaterThan(30);
        Trials.Values.Select(trial => trial.Type).Should().BeEquivalentTo(kinds.Except(TypedByTheServer));
    }

    /// <summary>Kinds whose objects hold bytes.</summary>
    private static readonly Type[] TypedByTheServer = [typeof(V1Secret), typeof(V1MutatingWebhookConfiguration)];

    /// <summary>Every kind that the operator reads.</summary>
    private static readonly Dictionary<string, Trial> Trials = new(StringComparer.Ordinal)
    {
        ["Pod"] = Trial.Of<V1Pod>(),
        ["Node"] = Trial.Of<V1Node>(),
        ["Namespace"] = Trial.Of<V1Namespace>(),
        ["Job"] = Trial.Of<V1Job>(),
        ["CronJob"] = Trial.Of<V1CronJob>(),
        ["Deployment"] = Trial.Of<V1Deployment>(),
        ["ReplicaSet"] = Trial.Of<V1ReplicaSet>(),
        ["StatefulSet"] = Trial.Of<V1StatefulSet>(),
        ["DaemonSet"] = Trial.Of<V1DaemonSet>(),
        ["ConfigMap"] = Trial.Of<V1ConfigMap>(),
        ["Lease"] = Trial.Of<V1Lease>(),
        ["Event"] = Trial.Of<V1Event>(),
        ["PriorityClass"] = Trial.Of<V1PriorityClass>(),
        ["HorizontalPodAutoscaler"] = Trial.Of<V1HorizontalPodAutoscaler>(),
        ["Workload"] = Trial.Of<V1Workload>(),
        ["Workload v1beta1"] = Trial.Of<V1Beta1Workload>(),
        ["AdmissionCheck"] = Trial.Of<V1AdmissionCheck>(),
        ["InferenceService"] = Trial.Of<V1Beta1InferenceService>(),
        ["ScaledObject"] = Trial.Of<V1ScaledObject>(),
        ["PyTorchJob"] = Trial.Of<V1PyTorchJob>(),
        ["TFJob"] = Trial.Of<V1TFJob>(),
        ["XGBoostJob"] = Trial.Of<V1XGBoostJob>(),
        ["PaddleJob"] = Trial.Of<V1PaddleJob>(),
        ["JAXJob"] = Trial.Of<V1JAXJob>(),
        ["MPIJob"] = Trial.Of<V2Beta1MPIJob>(),
        ["JobSet"] = Trial.Of<V1Alpha2JobSet>(),
        ["TrainJob"] = Trial.Of<V1Alpha1TrainJob>(),
        ["RayJob"] = Trial.Of<V1RayJob>(),
        ["RayCluster"] = Trial.Of<V1RayCluster>(),
        ["LeaderWorkerSet"] = Trial.Of<V1LeaderWorkerSet>(),
        ["Notebook"] = Trial.Of<V1Notebook>(),
        ["Rollout"] = Trial.Of<V1Alpha1Rollout>(),
        ["DynamoGraphDeploymentScalingAdapter"] = Trial.Of<V1Alpha1DynamoScalingAdapter>(),
        ["ResourceClaim"] = Trial.Of<V1ResourceClaim>(),
        ["ResourceClaimTemplate"] = Trial.Of<V1ResourceClaimTemplate>(),
        ["ResourceSlice"] = Trial.Of<V1ResourceSlice>(),
        ["DeviceClass"] = Trial.Of<V1DeviceClass>(),
        ["CustomResourceDefinition"] = Trial.Of<V1CustomResourceDefinition>(),
        ["GpuBudget"] = Trial.Of<V1Alpha1GpuBudget>(budget =>
        {
            GpuBudgetReader.Read(budget, out _, out _, out _);
            GpuBudgetReader.TryReadSelector(budget, out _);
        }),
        ["ClusterGpuBudget"] = Trial.Of<V1Alpha1ClusterGpuBudget>(budget =>
        {
            GpuBudgetReader.Read(budget, out _, out _, out _);
            GpuBudgetReader.TryReadSelector(budget, out _);
        }),
        ["GpuBudgetRequest"] = Trial.Of<V1Alpha1GpuBudgetRequest>(request => GpuBudgetRequestReader.Read(request)),
        ["GpuPriceBook"] = Trial.Of<V1Alpha1GpuPriceBook>(book => GpuPriceBookReader.Read(book, out _)),
        ["InferenceScaler"] = Trial.Of<V1Alpha1InferenceScaler>(scaler => InferenceScalerReader.Read(scaler, out _)),
        ["GpuLedger"] = Trial.Of<V1Alpha1GpuLedger>(ledger => GpuLedgerShards.Read(ledger)),
    };

    private static T Read<T>(string json)
        where T : class, IKubernetesEntity<T> => KubeJson.Read<T>(Encoding.UTF8.GetBytes(json));

    /// <summary>The variations of one kind.</summary>
    private sealed record Trial(Type Type, Action EachField, Action<int[]> Several)
    {
        public static Trial Of<T>(Action<T>? use = null)
            where T : class, IKubernetesEntity<T> => new(typeof(T), () => EachOf(use), changes => SeveralOf(use, changes));

        private static void EachOf<T>(Action<T>? use)
            where T : class, IKubernetesEntity<T>
        {
            JsonObject sample = SampleObjects.Of<T>();
            Read<T>(sample.ToJsonString()).Metadata.MistypedFields.Should().BeEmpty("the sample is regular");
            foreach (IReadOnlyList<object> field in SampleObjects.Fields(sample))
            {
                foreach (string value in SampleObjects.OddValues)
                {
                    T obj = Delivered(SampleObjects.Replaced(sample, field, value), use);
                    JsonValueKind before = SampleObjects.At(sample, field)!.GetValueKind(),
                        now = JsonNode.Parse(value)?.GetValueKind() ?? JsonValueKind.Null;
                    bool isPart = before is JsonValueKind.Object or JsonValueKind.Array;
                    // The readers of a field that may be any JSON check it themselves.
                    if (!isPart || now == before || now == JsonValueKind.Null || field.Any(step => step is "podFailurePolicy" or "data"))
                        continue;
                    obj.Metadata.MistypedFields.Where(one => !one.IsConverted)
                        .Select(one => one.Path)
                        .Should()
                        .Equal([SampleObjects.PathOf(field)], "it is {0}", value);
                }
            }
        }

        private static void SeveralOf<T>(Action<T>? use, int[] changes)
            where T : class, IKubernetesEntity<T>
        {
            JsonNode changed = SampleObjects.Of<T>();
            foreach (int[] change in changes.Chunk(2))
            {
                IReadOnlyList<object>[] fields = [.. SampleObjects.Fields(changed)];
                changed = JsonNode.Parse(
                    SampleObjects.Replaced(
                        changed,
                        fields[change[0] % fields.Length],
                        SampleObjects.OddValues[change[1] % SampleObjects.OddValues.Count]
                    )
                )!;
            }

            Delivered(changed.ToJsonString(), use);
        }

        private static T Delivered<T>(string json, Action<T>? use)
            where T : class, IKubernetesEntity<T>
        {
            try
            {
                T obj = Read<T>(json);
                (obj.Metadata.Name, obj.Metadata.Uid).Should().Be(("sample", "uid-1"));
                use?.Invoke(obj);
                return obj;
            }
            catch (Exception failure) when (failure is not Xunit.Sdk.XunitException)
            {
                throw new InvalidOperationException($"Not read: {json}", failure);
            }
        }
    }
}
