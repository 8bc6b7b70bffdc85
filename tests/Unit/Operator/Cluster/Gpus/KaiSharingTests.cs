using System.Text.Json;
using Bursar.Agent.Sampling;
using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster.Gpus;
using Bursar.Operator.Telemetry;

namespace Bursar.Tests.Unit.Operator.Cluster.Gpus;

/// <summary>GPU sharing by the KAI scheduler: requests, reservations and charging.</summary>
public sealed class KaiSharingTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 21, 8, 0, 0, TimeSpan.Zero);

    private static readonly NodeDevices Node = NodeDevices.From(
        new Dictionary<string, string> { ["nvidia.com/gpu.product"] = "NVIDIA-A100-SXM4-40GB", ["nvidia.com/gpu.memory"] = "40960" },
        new Dictionary<string, string> { ["nvidia.com/gpu"] = "2" }
    );

    [Theory]
    [InlineData("gpu-fraction", "0.5", null, 1, "1/2")]
    [InlineData("gpu-fraction", "0.33", null, 1, "33/100")]
    [InlineData("gpu-fraction", "0.5", "3", 3, "1/2")]
    [InlineData("gpu-fraction", "1", null, 1, "1")]
    [InlineData("gpu-fraction", "1.5", null, 1, "an unknown part")]
    [InlineData("gpu-fraction", "-0.5", null, 1, "an unknown part")]
    [InlineData("gpu-fraction", "0.0000000001", null, 1, "an unknown part")]
    [InlineData("gpu-fraction", "half", null, 1, "an unknown part")]
    [InlineData("gpu-memory", "10240", null, 1, "1/4")]
    [InlineData("gpu-memory", "5000", "2", 2, "125/1024")]
    [InlineData("gpu-memory", "99999", null, 1, "1")]
    [InlineData("gpu-memory", "4Gi", null, 1, "an unknown part")]
    public void Share_is_read_from_the_annotations(string annotation, string value, string? devices, int units, string share)
    {
        KeyValuePair<string, string>[] annotations = devices is null
            ? [new(annotation, value)]
            : [new(annotation, value), new("gpu-fraction-num-devices", devices)];
        var request = GpuRequest.OfTemplate(new() { Metadata = new() { Annotations = StringMap.From(annotations) } });
        (request.Units, request.ShareOn(Node).ToString()).Should().Be((units, share));
    }

    [Fact]
    public void Share_by_memory_is_unknown_without_the_memory_label()
    {
        var request = GpuRequest.OfPod(User("a", ("gpu-memory", "1000")));
        request.IsAny.Should().BeTrue();
        request
            .ShareOn(NodeDevices.From(new Dictionary<string, string>(), new Dictionary<string, string> { ["nvidia.com/gpu"] = "2" }))
            .IsKnown.Should()
            .BeFalse("then it is unpriced, and this is reported");
        request.ShareOn(null).IsKnown.Should().BeFalse();
    }

    [Fact]
    public void Resource_precedes_annotation_and_an_unassigned_pod_has_no_share()
    {
        var card = User("a", ("gpu-fraction", "0.5"));
        GpuRequest
            .OfPod(
                card with
                {
                    Spec = new() { Containers = [new() { Resources = new() { Limits = StringMap.From([new("nvidia.com/gpu", "2")]) } }] },
                }
            )
            .Whole.Should()
            .Be(2);
        GpuRequest
            .OfPod(card with { Metadata = card.Metadata with { Labels = StringMap.Empty } })
            .IsAny.Should()
            .BeFalse("another scheduler bound it");
        GpuRequest
            .OfPod(card with { Metadata = card.Metadata with { Labels = StringMap.From([new("runai-gpu-group/g2", "g2")]) } })
            .IsAny.Should()
            .BeTrue("parts of several GPUs have a label each");
    }

    [Fact]
    public void Cached_pod_keeps_the_annotations_that_are_read()
    {
        var pod = JsonSerializer.Deserialize(
            """
            {"metadata": {"name": "a", "labels": {"runai-gpu-group": "g1"},
             "annotations": {"gpu-fraction": "0.25", "gpu-fraction-num-devices": "2", "prometheus.io/port": "8000", "prometheus.kserve.io/path": "/m", "other.io/x": "y"}}}
            """,
            KubeJson.TypeInfo<V1Pod>()
        )!;
        (GpuRequest.OfPod(pod).Units, GpuRequest.OfPod(pod).ShareOn(null)).Should().Be((2, new DeviceShare(1, 4)));
        pod.Metadata.Annotations.Keys.Should()
            .BeEquivalentTo("gpu-fraction", "gpu-fraction-num-devices", "prometheus.io/port", "prometheus.kserve.io/path");
    }

    [Theory]
    [InlineData("kai-resource-reservation", true)]
    [InlineData("runai-reservation", true)]
    [InlineData("team", false)]
    public void Reservation_pod_is_in_the_namespace_of_the_scheduler(string ns, bool reserves) =>
        KaiSharing.IsReservation(Reservation("r", "g1", ns)).Should().Be(reserves);

    [Fact]
    public void Idle_energy_is_split_over_the_pods_with_shares_of_the_GPU()
    {
        V1Pod[] pods =
        [
            Reservation("r", "g1"),
            Reservation("r2", "g2"),
            User("a", ("gpu-fraction", "0.5")),
            User("b", ("gpu-fraction", "0.25")),
            User("late", ("gpu-fraction", "0.25")) with
            {
                Status = new() { StartTime = Start.AddSeconds(30) },
            },
            User("other", ("gpu-fraction", "0.5"), group: "g2"),
        ];
        UsageInterval reserved = new()
        {
            Seq = 7,
            PodUid = "r",
            Namespace = "kai-resource-reservation",
            Pod = "r",
            Device = "GPU-a",
            From = Start,
            To = Start.AddSeconds(60),
            EnergyMj = 3_001,
            Reason = UsageReasons.ReservedForOthers,
        };
        UsageInterval measured = new()
        {
            Seq = 8,
            PodUid = "a",
            Pod = "a",
            Device = "GPU-b",
            From = Start,
            To = Start.AddSeconds(60),
            BusyMs = 5,
        };

        var settled = ReservedUsage.Settle([reserved, measured], pods);

        settled
            .Select(i => (i.Seq, i.PodUid, i.Namespace, i.EnergyMj, i.Reason))
            .Should()
            .Equal((7, "a", "team", 1_501, null), (7, "b", "team", 1_500, null), (8, "a", "", null, null));
        ReservedUsage.Settle([reserved with { PodUid = null }], pods).Should().HaveCount(2, "the name identifies the reservation too");
        ReservedUsage
            .Settle([reserved], [pods[0]])
            .Should()
            .BeEmpty("without a pod that has a share, the node's bill counts the time as unallocated");
    }

    private static V1Pod User(string name, (string Key, string Value) annotation, string group = "g1") =>
        new()
        {
            Metadata = new()
            {
                Name = name,
                Namespace = "team",
                Uid = name,
                Labels = StringMap.From([new("runai-gpu-group", group)]),
                Annotations = StringMap.From([new(annotation.Key, annotation.Value)]),
            },
            Spec = new() { NodeName = "n1" },
            Status = new() { Phase = "Running", StartTime = Start.AddMinutes(-1) },
        };

    private static V1Pod Reservation(string name, string group, string ns = "kai-resource-reservation") =>
        new()
        {
            Metadata = new()
            {
                Name = name,
                Namespace = ns,
                Uid = name,
                Labels = StringMap.From([new("runai-gpu-group", group)]),
            },
            Spec = new()
            {
                NodeName = "n1",
                Containers = [new() { Resources = new() { Limits = StringMap.From([new("nvidia.com/gpu", "1")]) } }],
            },
            Status = new() { Phase = "Running", StartTime = Start.AddMinutes(-2) },
        };
}
