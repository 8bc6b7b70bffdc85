using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster.Gpus;

namespace Bursar.Tests.Unit.Operator.Cluster.Gpus;

/// <summary>
/// GPU sharing by HAMi: a card counts ten times in the resources of the node, and a pod requests a part of its memory.
/// </summary>
public sealed class HamiSharingTests
{
    private const string Register = """
        [{"id":"GPU-1","count":10,"devmem":32768,"devcore":100,"type":"NVIDIA-Tesla V100-PCIE-32GB","numa":1,"mode":"hami-core","health":true},
         {"id":"GPU-2","index":1,"count":10,"devmem":32768,"devcore":100,"type":"NVIDIA-Tesla V100-PCIE-32GB","mode":"hami-core","health":true}]
        """;

    private static readonly NodeDevices Node = NodeDevices.From(
        new Dictionary<string, string>(),
        new Dictionary<string, string> { ["nvidia.com/gpu"] = "20" },
        HamiRegister.Read(Register)
    );

    [Fact]
    public void Node_counts_its_cards_and_not_their_shares() => (Node.Cards, Node.Product).Should().Be((2, "Tesla-V100-PCIE-32GB"));

    [Theory]
    [InlineData("NVIDIA-NVIDIA A100-SXM4-40GB", "NVIDIA-A100-SXM4-40GB")]
    [InlineData("NVIDIA-Tesla T4", "Tesla-T4")]
    public void Product_name_is_written_as_feature_discovery_writes_it(string type, string product) =>
        HamiRegister.Read($$"""[{"id":"GPU-1","devmem":1,"type":"{{type}}"}]""")!.Product.Should().Be(product);

    [Theory]
    [InlineData("")]
    [InlineData("GPU-1,10,32768,100,NVIDIA-Tesla V100,0,true:")]
    [InlineData("[")]
    [InlineData("[]")]
    [InlineData("[3]")]
    public void Invalid_HAMi_register_is_ignored(string text) => HamiRegister.Read(text).Should().BeNull();

    [Fact]
    public void Cards_that_differ_have_no_one_memory_and_no_one_name() =>
        HamiRegister
            .Read("""[{"devmem": 10, "type": "NVIDIA-a"}, {"devmem": 20, "type": "NVIDIA-b"}]""")
            .Should()
            .Be(new HamiRegister(2, 0, ""));

    [Theory]
    [InlineData("nvidia.com/gpu=1 nvidia.com/gpumem=8192", 1, "1/4")]
    [InlineData("nvidia.com/gpu=2 nvidia.com/gpumem=8192 nvidia.com/gpucores=30", 2, "1/4")]
    [InlineData("nvidia.com/gpu=1 nvidia.com/gpumem-percentage=30", 1, "3/10")]
    [InlineData("nvidia.com/gpu=1 nvidia.com/gpumem=99999", 1, "1")]
    [InlineData("nvidia.com/gpu=1 nvidia.com/gpumem=8192 nvidia.com/gpucores=100", 1, "1")]
    [InlineData("nvidia.com/gpu=1 nvidia.com/gpucores=30", 1, "1")]
    [InlineData("nvidia.com/gpu=3", 3, "1")]
    public void Share_is_the_requested_memory(string limits, int units, string share)
    {
        var request = GpuRequest.From(new() { Containers = [Container(limits)] });
        (request.Units, request.ShareOn(Node).ToString()).Should().Be((units, share));
    }

    [Fact]
    public void Containers_with_other_parts_are_summed()
    {
        var request = GpuRequest.From(
            new()
            {
                Containers =
                [
                    Container("nvidia.com/gpu=1 nvidia.com/gpumem=8192"),
                    Container("nvidia.com/gpu=2 nvidia.com/gpumem-percentage=10"),
                ],
            }
        );
        (request.Units, request.ShareOn(Node)).Should().Be((1, new DeviceShare(9, 20)));
    }

    [Fact]
    public void Share_by_memory_is_unknown_without_the_card_memory() =>
        GpuRequest
            .From(new() { Containers = [Container("nvidia.com/gpu=1 nvidia.com/gpumem=8192")] })
            .ShareOn(NodeDevices.From(new Dictionary<string, string>(), new Dictionary<string, string> { ["nvidia.com/gpu"] = "20" }))
            .IsKnown.Should()
            .BeFalse();

    private static V1Container Container(string limits) =>
        new()
        {
            Resources = new()
            {
                Limits = StringMap.From(
                    limits.Split(' ').Select(one => one.Split('=')).Select(pair => new KeyValuePair<string, string>(pair[0], pair[1]))
                ),
            },
        };
}
