using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster.Gpus;

namespace Bursar.Tests.Unit.Operator.Cluster.Gpus;

/// <summary>
/// The effective request as the scheduler counts it: max(containers + sidecars, each init container beside the sidecars before it).
/// </summary>
public sealed class GpuRequestTests
{
    [Fact]
    public void Containers_add_up() => Of([2, 1], []).Should().Be(3);

    [Fact]
    public void Larger_init_container_counts_alone() => Of([1], [(4, false)]).Should().Be(4);

    [Fact]
    public void Smaller_init_container_does_not_count() => Of([2], [(1, false)]).Should().Be(2);

    [Fact]
    public void Sidecar_keeps_its_gpu() => Of([1], [(1, true)]).Should().Be(2);

    [Fact]
    public void Init_container_runs_beside_earlier_sidecars() => Of([1], [(2, true), (3, false)]).Should().Be(5);

    [Fact]
    public void Slice_is_not_a_card()
    {
        var request = GpuRequest.From(
            new() { Containers = [new() { Resources = new() { Limits = StringMap.From([new("nvidia.com/mig-1g.5gb", "1")]) } }] }
        );
        request.Whole.Should().Be(0);
        request.Other.Should().Be("nvidia.com/mig-1g.5gb");
    }

    [Fact]
    public void Pod_without_GPUs_has_no_GPU_request() =>
        GpuRequest
            .From(new() { Containers = [new() { Resources = new() { Limits = StringMap.From([new("cpu", "4")]) } }] })
            .IsAny.Should()
            .BeFalse();

    private static int Of(int[] containers, (int Gpus, bool Sidecar)[] init) =>
        GpuRequest
            .From(
                new()
                {
                    Containers = [.. containers.Select(c => Container(c, null))],
                    InitContainers = [.. init.Select(i => Container(i.Gpus, i.Sidecar ? "Always" : null))],
                }
            )
            .Whole;

    private static V1Container Container(int gpus, string? restart) =>
        new()
        {
            Name = "c",
            RestartPolicy = restart,
            Resources = new() { Limits = StringMap.From([new("nvidia.com/gpu", gpus.ToString())]) },
        };
}
