using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Kubernetes;

namespace Bursar.Tests.Unit.Operator.Cluster;

public sealed class UnreadableWorkloadsTests
{
    [Theory]
    [InlineData("TrainJob", """{"suspend": {}}""", "its spec.suspend cannot be read (an object, not a boolean)")]
    [InlineData("TrainJob", """{"trainer": 7}""", "its spec.trainer cannot be read (a number, not an object)")]
    [InlineData(
        "TrainJob",
        """{"trainer": {"resourcesPerNode": {"limits": {"nvidia.com/gpu": {}}}}}""",
        "its spec.trainer.resourcesPerNode.limits[nvidia.com/gpu] cannot be read (an object, not a text)"
    )]
    [InlineData(
        "TrainJob",
        """{"trainer": {"resourcesPerNode": {"limits": {"nvidia.com/gpu": "one"}}}}""",
        "its quantity of nvidia.com/gpu cannot be read (\"one\")"
    )]
    [InlineData(
        "TrainJob",
        """{"trainer": {"resourcesPerNode": {"limits": {"example.com/card": []}}}}""",
        "its spec.trainer.resourcesPerNode.limits[example.com/card] cannot be read (a list, not a text)"
    )]
    [InlineData(
        "TrainJob",
        """{"trainer": {"resourcesPerNode": {"limits": {"habana.ai/gaudi": "one"}}}}""",
        "its quantity of habana.ai/gaudi cannot be read (\"one\")"
    )]
    [InlineData("TrainJob", """{"managedBy": []}""", "its spec.managedBy cannot be read (a list, not a text)")]
    [InlineData("JobSet", """{"replicatedJobs": "two"}""", "its spec.replicatedJobs cannot be read (a text, not a list)")]
    [InlineData("PyTorchJob", """{"runPolicy": []}""", "its spec.runPolicy cannot be read (a list, not an object)")]
    [InlineData(
        "PyTorchJob",
        """{"pytorchReplicaSpecs": {"Worker": 3}}""",
        "its spec.pytorchReplicaSpecs.Worker cannot be read (a number, not an object)"
    )]
    [InlineData(
        "RayJob",
        """{"shutdownAfterJobFinishes": 2}""",
        "its spec.shutdownAfterJobFinishes cannot be read (a number, not a boolean)"
    )]
    public void Field_that_suspending_depends_on_makes_it_not_suspendable(string kind, string spec, string why)
    {
        var work = Parse(kind, spec);
        work.Unreadable.Should().Be(why);
        work.WhyNot.Should().Be(why);
    }

    [Theory]
    [InlineData("TrainJob", """{"activeDeadlineSeconds": "soon"}""")]
    [InlineData("TrainJob", """{"trainer": {"numNodes": {}, "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1, "memory": {}}}}}""")]
    [InlineData("TrainJob", """{"labels": 5}""")]
    [InlineData("JobSet", """{"replicatedJobs": [{"replicas": [], "template": {"metadata": 4}}]}""")]
    [InlineData(
        "RayJob",
        """{"shutdownAfterJobFinishes": "true", "rayClusterSpec": {"workerGroupSpecs": [{"numOfHosts": "x", "template": {"spec": {"nodeSelector": 1}}}]}}"""
    )]
    public void Field_that_suspending_does_not_depend_on_keeps_it_suspendable(string kind, string spec) =>
        Parse(kind, spec).WhyNot.Should().BeNull();

    [Fact]
    public void Unreadable_status_keeps_the_workload_suspendable() =>
        WorkloadKinds
            .Find("JobSet")!
            .Parse(JsonSerializer.Deserialize<JsonElement>("""{"metadata": {"name": "a"}, "spec": {}, "status": "over"}"""))
            .WhyNot.Should()
            .BeNull();

    [Fact]
    public void Counts_beyond_any_cluster_are_bounded()
    {
        var set = new JsonObject
        {
            ["replicatedJobs"] = new JsonArray([
                .. Enumerable
                    .Range(0, 9)
                    .Select(_ =>
                        JsonNode.Parse(
                            """{"replicas": 2147483647, "template": {"spec": {"parallelism": 2147483647, "completions": 2147483647, "template": {"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "9e30"}}}]}}}}}"""
                        )
                    ),
            ]),
        };
        var work = Parse("JobSet", set.ToJsonString());
        work.Gpus.Should().Be(int.MaxValue);
        (Bursar.Core.Money.GpuHourPrice.FromDecimal(98) * work.Gpus * work.Gpus).NanoPerHour.Should().Be(long.MaxValue);
    }

    [Fact]
    public void Deadline_beyond_any_calendar_is_bounded() =>
        TimeSpan
            .FromSeconds(Parse("TrainJob", """{"activeDeadlineSeconds": 9223372036854775807}""").ActiveDeadlineSeconds!.Value)
            .TotalDays.Should()
            .BeLessThan(40_000);

    public static TheoryData<string> Kinds => [.. WorkloadKinds.All.Select(kind => kind.Name)];

    /// <summary>With any field replaced, the workload is parsed. It counts as a GPU workload or reports why it cannot be read.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Unreadable_field_never_exempts_a_workload(string name)
    {
        var kind = WorkloadKinds.Find(name)!;
        var sample = SampleOf(name);
        Use(kind.Parse(ToElement(sample.ToJsonString()))).HasGpus.Should().BeTrue("the sample requests GPUs");
        foreach (var field in SampleObjects.Fields(sample))
        foreach (var value in SampleObjects.OddValues)
        {
            WorkloadObject work;
            try
            {
                work = Use(kind.Parse(ToElement(SampleObjects.Replaced(sample, field, value))));
            }
            catch (Exception failure) when (failure is not Xunit.Sdk.XunitException)
            {
                throw new InvalidOperationException($"{SampleObjects.PathOf(field)} = {value}", failure);
            }
            work.Metadata.Name.Should().Be("sample");
            JsonValueKind before = KindOf(SampleObjects.At(sample, field)),
                now = KindOf(JsonNode.Parse(value));
            // Null, an empty part and zero are valid ways to request nothing.
            if (now == JsonValueKind.Null || now == before || now == JsonValueKind.Number)
                continue;
            (work.HasGpus || work.Unreadable is not null).Should().BeTrue("{0} is {1}", SampleObjects.PathOf(field), value);
        }
    }

    private static JsonValueKind KindOf(JsonNode? node) => node?.GetValueKind() ?? JsonValueKind.Null;

    /// <summary>Reads everything that the operator uses of a workload.</summary>
    private static WorkloadObject Use(WorkloadObject work)
    {
        _ = (
            work.Labels.Count,
            work.Gpus,
            work.Template,
            work.Class,
            work.IsPart,
            work.IsStopped,
            work.Replicas,
            work.TerminationGrace,
            work.WhyNot,
            work.Namespace,
            work.PodSetsAt(work.Replicas).Count
        );
        _ = work.ActiveDeadlineSeconds is { } seconds ? DateTimeOffset.UnixEpoch + TimeSpan.FromSeconds(seconds) : default;
        return work;
    }

    private static JsonObject SampleOf(string kind) =>
        kind switch
        {
            "Job" => SampleObjects.Of<V1Job>(),
            "JobSet" => SampleObjects.Of<V1Alpha2JobSet>(),
            "TrainJob" => SampleObjects.Of<V1Alpha1TrainJob>(),
            "PyTorchJob" => SampleObjects.Of<V1PyTorchJob>(),
            "TFJob" => SampleObjects.Of<V1TFJob>(),
            "XGBoostJob" => SampleObjects.Of<V1XGBoostJob>(),
            "PaddleJob" => SampleObjects.Of<V1PaddleJob>(),
            "JAXJob" => SampleObjects.Of<V1JAXJob>(),
            "MPIJob" => SampleObjects.Of<V2Beta1MPIJob>(),
            "RayJob" => SampleObjects.Of<V1RayJob>(),
            "Deployment" => SampleObjects.Of<V1Deployment>(),
            "StatefulSet" => SampleObjects.Of<V1StatefulSet>(),
            "LeaderWorkerSet" => SampleObjects.Of<V1LeaderWorkerSet>(),
            "InferenceService" => SampleObjects.Of<V1Beta1InferenceService>(),
            "Notebook" => SampleObjects.Of<V1Notebook>(),
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };

    private static WorkloadObject Parse(string kind, string spec) =>
        WorkloadKinds.Find(kind)!.Parse(ToElement($$"""{"metadata": {"name": "a", "namespace": "team", "uid": "u"}, "spec": {{spec}}}"""));

    private static JsonElement ToElement(string json) => JsonSerializer.Deserialize<JsonElement>(json);
}
