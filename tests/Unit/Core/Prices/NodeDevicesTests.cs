using Bursar.Core.Ledger;
using Bursar.Core.Prices;

namespace Bursar.Tests.Unit.Core.Prices;

public sealed class NodeDevicesTests
{
    [Fact]
    public void Node_with_whole_cards_reports_product_and_count()
    {
        var node = Node(
            "nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3,nvidia.com/gpu.count=8,nvidia.com/gpu.replicas=1",
            "nvidia.com/gpu=8"
        );
        (node.Product, node.Cards, node.ShareOf("nvidia.com/gpu")).Should().Be(("NVIDIA-H100-80GB-HBM3", 8, DeviceShare.Whole));
    }

    [Fact]
    public void Time_sliced_or_MPS_slot_is_the_device_divided_by_its_slots()
    {
        var sliced = Node(
            "nvidia.com/gpu.product=Tesla-T4-SHARED,nvidia.com/gpu.count=2,nvidia.com/gpu.replicas=4,nvidia.com/gpu.sharing-strategy=time-slicing",
            "nvidia.com/gpu=8"
        );
        (sliced.Product, sliced.Cards, sliced.ShareOf("nvidia.com/gpu")).Should().Be(("Tesla-T4", 2, new DeviceShare(1, 4)));

        var renamed = Node(
            "nvidia.com/gpu.product=Tesla-T4,nvidia.com/gpu.count=2,nvidia.com/gpu.replicas=10,nvidia.com/gpu.sharing-strategy=mps",
            "nvidia.com/gpu.shared=20"
        );
        (renamed.Product, renamed.Cards, renamed.ShareOf("nvidia.com/gpu.shared")).Should().Be(("Tesla-T4", 2, new DeviceShare(1, 10)));

        var unlabelled = Node("nvidia.com/gpu.product=Tesla-T4-SHARED,nvidia.com/gpu.count=2", "nvidia.com/gpu=6");
        unlabelled.ShareOf("nvidia.com/gpu").Should().Be(new DeviceShare(1, 3));
        Node("nvidia.com/gpu.product=Tesla-T4-SHARED", "nvidia.com/gpu=6")
            .ShareOf("nvidia.com/gpu")
            .IsKnown.Should()
            .BeFalse("the number of slots of a card is unknown");

        var gke = Node(
            "cloud.google.com/gke-accelerator=nvidia-tesla-t4,cloud.google.com/gke-gpu-sharing-strategy=time-sharing,cloud.google.com/gke-max-shared-clients-per-gpu=5",
            "nvidia.com/gpu=10"
        );
        (gke.Product, gke.Cards, gke.ShareOf("nvidia.com/gpu")).Should().Be(("nvidia-tesla-t4", 2, new DeviceShare(1, 5)));
    }

    [Fact]
    public void Cards_partitioned_alike_are_listed_as_GPUs()
    {
        var node = Node(
            "nvidia.com/gpu.product=NVIDIA-A100-SXM4-40GB-MIG-3g.20gb,nvidia.com/gpu.count=16,nvidia.com/gpu.replicas=1",
            "nvidia.com/gpu=16"
        );
        (node.Product, node.Cards, node.ShareOf("nvidia.com/gpu")).Should().Be(("NVIDIA-A100-SXM4-40GB", 8, new DeviceShare(13, 28)));

        var shared = Node(
            "nvidia.com/gpu.product=NVIDIA-A100-SXM4-40GB-MIG-1g.5gb-SHARED,nvidia.com/gpu.count=7,nvidia.com/gpu.replicas=2",
            "nvidia.com/gpu=14"
        );
        (shared.Product, shared.Cards, shared.ShareOf("nvidia.com/gpu"))
            .Should()
            .Be(("NVIDIA-A100-SXM4-40GB", 1, new DeviceShare(15, 224)));

        var gke = Node(
            "cloud.google.com/gke-accelerator=nvidia-a100-80gb,cloud.google.com/gke-gpu-partition-size=1g.10gb",
            "nvidia.com/gpu=14"
        );
        (gke.Cards, gke.ShareOf("nvidia.com/gpu")).Should().Be((2, new DeviceShare(15, 112)));
    }

    [Fact]
    public void Cards_partitioned_differently_have_their_own_resources()
    {
        var node = Node(
            "nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3,nvidia.com/gpu.count=4,nvidia.com/gpu.replicas=1",
            "nvidia.com/gpu=2,nvidia.com/mig-1g.10gb=7,nvidia.com/mig-3g.40gb=2"
        );
        node.Cards.Should().Be(4);
        node.ShareOf("nvidia.com/gpu").Should().Be(DeviceShare.Whole);
        node.ShareOf("nvidia.com/mig-1g.10gb").Should().Be(new DeviceShare(15, 112));
        node.ShareOf("nvidia.com/mig-1g.10gb.me").Should().Be(new DeviceShare(15, 112));
        node.ShareOf("nvidia.com/mig-9g.10gb").IsKnown.Should().BeFalse();
        node.ShareOf("gpu.intel.com/i915").IsKnown.Should().BeFalse();
        Node("nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu=2,nvidia.com/mig-1g.10gb=7,nvidia.com/mig-3g.40gb=2")
            .Cards.Should()
            .Be(4, "what its resources need at least");
    }

    [Fact]
    public void Cards_of_other_vendors_are_read_from_their_labels()
    {
        var node = Node("amd.com/gpu.product-name=AMD_Instinct_MI300X_OAM", "amd.com/gpu=8");
        (node.Product, node.Cards, node.ShareOf("amd.com/gpu")).Should().Be(("AMD_Instinct_MI300X_OAM", 8, DeviceShare.Whole));
    }

    [Theory]
    [InlineData("NVIDIA-A30", "1g.6gb", 1, 4)]
    [InlineData("NVIDIA-A30", "2g.12gb", 1, 2)]
    [InlineData("NVIDIA-A30", "4g.24gb", 1, 1)]
    [InlineData("NVIDIA-A100-SXM4-40GB", "1g.5gb", 15, 112)] // (1/7 + 1/8) / 2
    [InlineData("NVIDIA-A100-SXM4-40GB", "1g.5gb+me", 15, 112)]
    [InlineData("NVIDIA-A100-SXM4-40GB", "1g.10gb", 11, 56)] // (1/7 + 2/8) / 2
    [InlineData("NVIDIA-A100-SXM4-40GB", "2g.10gb", 15, 56)]
    [InlineData("NVIDIA-A100-SXM4-40GB", "3g.20gb", 13, 28)]
    [InlineData("NVIDIA-A100-SXM4-40GB", "4g.20gb", 15, 28)]
    [InlineData("NVIDIA-A100-SXM4-40GB", "7g.40gb", 1, 1)]
    [InlineData("NVIDIA A100-SXM4-80GB", "1g.10gb", 15, 112)]
    [InlineData("NVIDIA-H100-NVL", "1g.12gb", 15, 112)]
    [InlineData("NVIDIA-H200", "1g.18gb", 15, 112)]
    [InlineData("NVIDIA-H200", "1g.35gb", 11, 56)]
    [InlineData("NVIDIA-H200", "7g.141gb", 1, 1)]
    [InlineData("NVIDIA-B200", "1g.23gb", 15, 112)]
    [InlineData("NVIDIA-B200", "3g.90gb", 13, 28)]
    [InlineData("NVIDIA-B300", "1g.34gb", 15, 112)]
    [InlineData("NVIDIA-A100-SXM4-40GB", "1c.3g.20gb", 13, 84)] // a third of 3g.20gb
    public void MIG_device_is_the_mean_of_its_compute_and_its_memory(string product, string profile, int parts, int of) =>
        MigProfile.ShareOf(profile, product).Should().Be(new DeviceShare(parts, of));

    [Theory]
    [InlineData("NVIDIA-A100-SXM4-40GB", "1g.20gb.x")]
    [InlineData("NVIDIA-A100-SXM4-40GB", "8g.40gb")]
    [InlineData("NVIDIA-A100-SXM4-40GB", "1g.7gb")]
    [InlineData("Voodoo-2", "1g.5gb")]
    [InlineData("NVIDIA-A100-SXM4-40GB", "4c.3g.20gb")]
    public void Unknown_MIG_profile_has_an_unknown_share(string product, string profile) =>
        MigProfile.ShareOf(profile, product).Should().BeNull();

    /// <summary>All partitionings of an A100 in NVIDIA's user guide; none costs more than the card.</summary>
    [Theory]
    [InlineData("7g.40gb")]
    [InlineData("4g.20gb 3g.20gb")]
    [InlineData("4g.20gb 2g.10gb 1g.5gb")]
    [InlineData("4g.20gb 1g.5gb 1g.5gb 1g.5gb")]
    [InlineData("3g.20gb 3g.20gb")]
    [InlineData("2g.10gb 2g.10gb 3g.20gb")]
    [InlineData("2g.10gb 2g.10gb 2g.10gb 1g.5gb")]
    [InlineData("1g.10gb 1g.10gb 1g.10gb 1g.10gb")]
    [InlineData("1g.5gb 1g.5gb 1g.5gb 1g.5gb 1g.5gb 1g.5gb 1g.5gb")]
    public void Devices_of_a_card_are_at_most_the_card(string filling)
    {
        var sum = filling
            .Split(' ')
            .Aggregate(new DeviceShare(0, 1), (total, profile) =>
                DeviceShare.Sum(total, MigProfile.ShareOf(profile, "NVIDIA-A100-SXM4-40GB")!.Value)
            );
        sum.Parts.Should().BeLessThanOrEqualTo(sum.Of).And.BeGreaterThan(sum.Of / 2);
    }

    [Theory]
    [InlineData("nvidia.com/gpu.product=NVIDIA-A100-SXM4-40GB", "nvidia.com/a100=8", "nvidia.com/a100", "NVIDIA-A100-SXM4-40GB", 8, "1")]
    [InlineData(
        "nvidia.com/gpu.product=Tesla-T4,nvidia.com/gpu.replicas=4,nvidia.com/gpu.count=2",
        "nvidia.com/t4.shared=8",
        "nvidia.com/t4.shared",
        "Tesla-T4",
        2,
        "1/4"
    )]
    [InlineData(
        "amd.com/gpu.product-name=AMD_Instinct_MI300X_OAM",
        "amd.com/cpx_nps4=64",
        "amd.com/cpx_nps4",
        "AMD_Instinct_MI300X_OAM",
        8,
        "1/8"
    )]
    [InlineData(
        "amd.com/gpu.product-name=AMD_Instinct_MI300X_OAM,amd.com/compute-memory-partition=dpx_nps2",
        "amd.com/gpu=16",
        "amd.com/gpu",
        "AMD_Instinct_MI300X_OAM",
        8,
        "1/2"
    )]
    [InlineData("gpu.intel.com/product=Max_1550", "gpu.intel.com/i915=4", "gpu.intel.com/i915", "Max_1550", 4, "1")]
    [InlineData("x=y", "habana.ai/gaudi=8", "habana.ai/gaudi", "habana.ai/gaudi", 8, "1")]
    [InlineData("x=y", "example.com/big-card=2", "example.com/big-card", "example.com/big-card", 2, "1")]
    [InlineData("nvidia.com/gpu.product=Tesla-T4", "nvidia.com/GRID_T4-4Q=4", "nvidia.com/GRID_T4-4Q", "Tesla-T4", 4, "an unknown part")]
    [InlineData("x=y", "example.com/gpu=2", "example.com/gpu", "", 0, "an unknown part")]
    public void Resources_of_every_vendor_are_parts_of_cards(
        string labels,
        string capacity,
        string resource,
        string product,
        int cards,
        string share
    )
    {
        var node = NodeDevices.From(Pairs(labels), Pairs(capacity), null, new(["example.com/*-card"]));
        (node.Product, node.Cards, node.ShareOf(resource).ToString()).Should().Be((product, cards, share));
        node.Unknown.Should().Equal(resource == "example.com/gpu" ? ["example.com/gpu"] : []);
    }

    [Fact]
    public void Devices_of_a_DRA_driver_are_cards_and_parts_of_them()
    {
        DraDevice Device(string name, params (string Key, string Value)[] attributes) =>
            DraDevice.Create("gpu.nvidia.com", "n", name, attributes.ToDictionary(one => one.Key, one => one.Value), 0);
        DraDevice[] devices =
        [
            Device(
                "gpu-0",
                ("gpu.nvidia.com/type", "gpu"),
                ("gpu.nvidia.com/uuid", "GPU-0"),
                ("gpu.nvidia.com/productName", "NVIDIA A100-SXM4-40GB")
            ),
            Device(
                "gpu-0-mig-1g5gb-0",
                ("type", "mig"),
                ("parentUUID", "GPU-0"),
                ("uuid", "MIG-1"),
                ("profile", "1g.5gb"),
                ("productName", "NVIDIA A100-SXM4-40GB")
            ),
            Device(
                "gpu-1-mig-3g20gb-0",
                ("type", "mig"),
                ("parentUUID", "GPU-1"),
                ("profile", "3g.20gb"),
                ("productName", "NVIDIA A100-SXM4-40GB")
            ),
            Device(
                "gpu-1-mig-odd",
                ("type", "mig"),
                ("parentUUID", "GPU-1"),
                ("profile", "9g.1gb"),
                ("productName", "NVIDIA A100-SXM4-40GB")
            ),
        ];
        devices.Select(device => device.Share.ToString()).Should().Equal("1", "15/112", "13/28", "an unknown part");
        var node = NodeDevices.From(new Dictionary<string, string>(), new Dictionary<string, string>(), null, null, devices);
        (node.Product, node.Cards).Should().Be(("NVIDIA-A100-SXM4-40GB", 2));
        NodeDevices
            .From(Pairs("nvidia.com/gpu.product=NVIDIA-A100-SXM4-40GB"), Pairs("nvidia.com/gpu=2"), null, null, devices)
            .Cards.Should()
            .Be(2, "the plugin and the driver report the same cards");

        var partition = DraDevice.Create(
            "gpu.amd.com",
            "n",
            "gpu-1-129",
            new Dictionary<string, string>
            {
                ["type"] = "amdgpu-partition",
                ["partitionProfile"] = "cpx_nps4",
                ["productName"] = "AMD_Instinct_MI300X",
                ["pciAddr"] = "0000:19:00.0",
            },
            0
        );
        (partition.Share, partition.Card).Should().Be((new DeviceShare(1, 8), "0000:19:00.0"));
        DraDevice
            .Create("gpu.nvidia.com", "n", "gpu-0", new Dictionary<string, string>(), 40L << 30)
            .ShareOfMemory(10L << 30)
            .Should()
            .Be(new DeviceShare(1, 4));
    }

    private static NodeDevices Node(string labels, string capacity) => NodeDevices.From(Pairs(labels), Pairs(capacity));

    private static Dictionary<string, string> Pairs(string text) =>
        text.Split(',').Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
}
