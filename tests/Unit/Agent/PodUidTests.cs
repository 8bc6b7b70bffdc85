using Bursar.Agent.Pods;
using Bursar.Core.Usage;

namespace Bursar.Tests.Unit.Agent;

public sealed class PodUidTests : IDisposable
{
    private const string Uid = "5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b";

    private readonly TestFolder folder = new();
    private readonly TargetStore targets = new();
    private readonly ManualTime time = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/cri-containerd-0123.scope", Uid)]
    [InlineData("12:cpu:/kubepods/burstable/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/0123\n11:memory:/kubepods/burstable/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/0123", Uid)]
    [InlineData("0::/kubelet-kubepods-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice:cri-containerd:0123", Uid)]
    [InlineData("0::/kubepods/pod0123456789abcdef0123456789abcdef/77", "0123456789abcdef0123456789abcdef")]
    [InlineData("0::/system.slice/podman.service", null)]
    [InlineData("0::/../..", null)]
    [InlineData("", null)]
    public void Cgroups_name_the_pod(string text, string? uid) => CgroupPath.FindPodUid(text).Should().Be(uid);

    [Fact]
    public void The_operators_word_comes_first_then_the_log_directory_then_the_processes()
    {
        Directory.CreateDirectory(folder.File($"ml_train_{Uid}"));
        Directory.CreateDirectory(folder.File("ml_train-2_other"));
        Directory.CreateDirectory(folder.File("proc/42"));
        File.WriteAllText(folder.File("proc/42/cgroup"), "0::/kubepods/pod11111111-8d1e-4b6f-9a57-0c1d2e3f4a5b/0123\n");
        var resolver = new PodUidResolver(targets, folder.Path, folder.File("proc"), time);

        resolver.Resolve("ml", "train", []).Should().Be(Uid);
        resolver.Resolve("ml", "absent", [41, 42]).Should().Be("11111111-8d1e-4b6f-9a57-0c1d2e3f4a5b");
        resolver.Resolve("ml", "nothing", []).Should().BeNull();
        targets.Replace(new TargetList { Pods = [new TargetPod { Uid = "told", Namespace = "ml", Name = "train" }] });
        resolver.Resolve("ml", "train", []).Should().Be("told");
    }

    [Fact]
    public void Two_directories_of_one_name_tell_nothing_until_the_old_one_is_gone()
    {
        Directory.CreateDirectory(folder.File("ml_train_old"));
        Directory.CreateDirectory(folder.File("ml_train_new"));
        var resolver = new PodUidResolver(targets, folder.Path, null, time);

        resolver.Resolve("ml", "train", []).Should().BeNull();
        Directory.Delete(folder.File("ml_train_old"));
        time.Advance(TimeSpan.FromSeconds(10));
        resolver.Resolve("ml", "train", []).Should().Be("new");
    }
}
