using Bursar.Agent.Pods;
using Bursar.Core.Usage;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Agent;

public sealed class PodUidTests : IDisposable
{
    private const string Uid = "5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b";

    private readonly TestFolder _folder = new();
    private readonly TargetStore _targets = new();
    private readonly VirtualTimeProvider _time = new(AgentClock.Start);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(
        "cgroupfs, v2, burstable",
        "0::/kubepods/burstable/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        Uid
    )]
    [InlineData(
        "cgroupfs, v2, guaranteed",
        "0::/kubepods/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        Uid
    )]
    [InlineData(
        "cgroupfs, v1",
        "12:cpu,cpuacct:/kubepods/besteffort/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n11:memory:/kubepods/besteffort/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n1:name=systemd:/kubepods/besteffort/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        Uid
    )]
    [InlineData(
        "systemd, v2, containerd",
        "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/cri-containerd-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.scope",
        Uid
    )]
    [InlineData(
        "systemd, v2, guaranteed, CRI-O",
        "0::/kubepods.slice/kubepods-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/crio-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.scope",
        Uid
    )]
    [InlineData(
        "systemd, CRI-O with a container below",
        "0::/kubepods.slice/kubepods-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/crio-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.scope/container",
        Uid
    )]
    [InlineData(
        "systemd, Docker",
        "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/docker-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.scope",
        Uid
    )]
    [InlineData(
        "systemd, Podman",
        "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/libpod-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.scope",
        Uid
    )]
    [InlineData(
        "systemd, v1, containerd",
        "5:memory:/system.slice/containerd.service/kubepods-burstable-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice:cri-containerd:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        Uid
    )]
    [InlineData(
        "kind, a kubelet within",
        "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/cri-containerd-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.scope",
        Uid
    )]
    [InlineData(
        "seen from another cgroup namespace",
        "0::/../../../kubepods-burstable.slice/kubepods-burstable-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/cri-containerd-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.scope",
        Uid
    )]
    [InlineData(
        "static pod",
        "0::/kubepods/burstable/pod0123456789abcdef0123456789abcdef/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "0123456789abcdef0123456789abcdef"
    )]
    [InlineData(
        "two pods",
        "1:cpu:/kubepods/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/1\n2:memory:/kubepods/pod11111111-8d1e-4b6f-9a57-0c1d2e3f4a5b/1",
        null
    )]
    [InlineData(
        "v1 and v2 at once (hybrid)",
        "12:devices:/kubepods/besteffort/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/77\n11:misc:/\n2:rdma:/\n1:name=systemd:/kubepods/besteffort/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/77\n0::/../..",
        Uid
    )]
    [InlineData(
        "systemd, v1 and v2 at once",
        "9:memory:/kubepods.slice/kubepods-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/cri-containerd-77.scope\n0::/system.slice/containerd.service",
        Uid
    )]
    [InlineData(
        "rootless",
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/kubepods-burstable-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/cri-containerd-77.scope",
        Uid
    )]
    [InlineData(
        "rootless, cgroupfs",
        "0::/user.slice/user-1000.slice/user@1000.service/k3s-rootless.service/kubepods/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/77",
        Uid
    )]
    [InlineData("CRI-O's monitor", "0::/kubepods.slice/kubepods-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/crio-conmon-77.scope", Uid)]
    [InlineData("Docker within a pod", "0::/kubepods/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/77/docker/78", Uid)]
    [InlineData(
        "a cluster within a pod: the outer one is ours",
        "0::/kubepods.slice/kubepods-pod5f6c2a10_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/cri-containerd-77.scope/kubelet.slice/kubelet-kubepods-pod11111111_8d1e_4b6f_9a57_0c1d2e3f4a5b.slice/cri-containerd-78.scope",
        Uid
    )]
    [InlineData("a pod that has just ended", "0::/kubepods/pod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b/77 (deleted)", Uid)]
    [InlineData(
        "static pod, systemd",
        "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0123456789abcdef0123456789abcdef.slice/crio-77.scope",
        "0123456789abcdef0123456789abcdef"
    )]
    [InlineData("a name that only looks like one", "0::/system.slice/tripod5f6c2a10-8d1e-4b6f-9a57-0c1d2e3f4a5b0.service", null)]
    [InlineData("a service", "0::/system.slice/podman.service", null)]
    [InlineData("a session", "0::/user.slice/user-1000.slice/session-2.scope", null)]
    [InlineData("above the namespace", "0::/../..", null)]
    [InlineData("nothing", "", null)]
    public void Cgroups_of_every_driver_and_runtime_name_the_pod(string what, string text, string? uid) =>
        CgroupPath.FindPodUid(text).Should().Be(uid, what);

    [Fact]
    public void Pod_UID_comes_from_the_operator_then_the_log_directory_then_processes()
    {
        Directory.CreateDirectory(_folder.File($"ml_train_{Uid}"));
        Directory.CreateDirectory(_folder.File("ml_train-2_other"));
        Directory.CreateDirectory(_folder.File("proc/42"));
        File.WriteAllText(_folder.File("proc/42/cgroup"), "0::/kubepods/pod11111111-8d1e-4b6f-9a57-0c1d2e3f4a5b/0123\n");
        var resolver = new PodUidResolver(_targets, _folder.Path, _folder.File("proc"), _time);

        resolver.Resolve("ml", "train", []).Should().Be(Uid);
        resolver.Resolve("ml", "absent", [41, 42]).Should().Be("11111111-8d1e-4b6f-9a57-0c1d2e3f4a5b");
        resolver.Resolve("ml", "nothing", []).Should().BeNull();
        _targets.Replace(
            new TargetList
            {
                Pods =
                [
                    new TargetPod
                    {
                        Uid = "told",
                        Namespace = "ml",
                        Name = "train",
                    },
                ],
            }
        );
        resolver.Resolve("ml", "train", []).Should().Be("told");
    }

    [Fact]
    public void Two_log_directories_of_one_name_give_no_UID()
    {
        Directory.CreateDirectory(_folder.File("ml_train_old"));
        Directory.CreateDirectory(_folder.File("ml_train_new"));
        var resolver = new PodUidResolver(_targets, _folder.Path, null, _time);

        resolver.Resolve("ml", "train", []).Should().BeNull();
        Directory.Delete(_folder.File("ml_train_old"));
        _time.Advance(TimeSpan.FromSeconds(10));
        resolver.Resolve("ml", "train", []).Should().Be("new");
    }

    [Fact]
    public void Recreated_pod_is_identified_by_its_process_before_the_operator_reports()
    {
        const string old = "11111111-8d1e-4b6f-9a57-0c1d2e3f4a5b";
        _targets.Replace(
            new TargetList
            {
                Pods =
                [
                    new TargetPod
                    {
                        Uid = old,
                        Namespace = "ml",
                        Name = "train-0",
                    },
                ],
            }
        );
        Directory.CreateDirectory(_folder.File($"ml_train-0_{Uid}"));
        Process(42, $"0::/kubepods/pod{Uid}/77");
        var resolver = new PodUidResolver(_targets, _folder.Path, _folder.File("proc"), _time);

        resolver.Resolve("ml", "train-0", []).Should().Be(old);
        resolver.Resolve("ml", "train-0", [42]).Should().Be(Uid);
    }

    [Fact]
    public void Process_of_a_pod_of_another_name_does_not_name_this_one()
    {
        Directory.CreateDirectory(_folder.File($"team_fraction_{Uid}"));
        Process(42, $"0::/kubepods/pod{Uid}/77");
        var resolver = new PodUidResolver(_targets, _folder.Path, _folder.File("proc"), _time);

        resolver.Resolve("kai-resource-reservation", "gpu-reservation-1", [42]).Should().BeNull();
        resolver.PodOf(42).Should().Be(new ProcessOwner(ProcessKind.Pod, Uid));
        resolver.NameOf(Uid).Should().Be(("team", "fraction"));
    }

    [Fact]
    public void Static_pod_is_known_by_its_mirrors_uid()
    {
        const string hash = "0123456789abcdef0123456789abcdef";
        Directory.CreateDirectory(_folder.File($"ml_static-node_{hash}"));
        Process(42, $"0::/kubepods/pod{hash}/77");
        _targets.Replace(
            new TargetList
            {
                Pods =
                [
                    new TargetPod
                    {
                        Uid = Uid,
                        Namespace = "ml",
                        Name = "static-node",
                    },
                ],
            }
        );

        new PodUidResolver(_targets, _folder.Path, _folder.File("proc"), _time).PodOf(42).PodUid.Should().Be(Uid);
    }

    [Fact]
    public void Process_kind_is_read_from_its_cgroup_and_again_for_a_reused_PID()
    {
        Process(1, "0::/system.slice/dcgm.service");
        Process(2, $"0::/kubepods/pod{Uid}/77", "nvidia-cuda-mps\n");
        Process(3, $"0::/kubepods/pod{Uid}/77", "python\n");
        var resolver = new PodUidResolver(_targets, null, _folder.File("proc"), _time);

        resolver.PodOf(1).Kind.Should().Be(ProcessKind.Host);
        resolver.PodOf(2).Kind.Should().Be(ProcessKind.MpsServer);
        resolver.PodOf(3).Kind.Should().Be(ProcessKind.Pod);
        resolver.PodOf(4).Kind.Should().Be(ProcessKind.Unknown);
        new PodUidResolver(_targets, null, null, _time)
            .PodOf(1)
            .Kind.Should()
            .Be(ProcessKind.Unknown, "the kind is unknown without the host's /proc");
        Process(3, "0::/system.slice/dcgm.service");
        _time.Advance(TimeSpan.FromSeconds(30));
        resolver.PodOf(3).Kind.Should().Be(ProcessKind.Host);
    }

    /// <summary>Calling such a process a host process would be a guess.</summary>
    [Fact]
    public void Process_that_two_pods_are_named_for_is_of_an_unknown_one()
    {
        Process(5, $"1:cpu:/kubepods/pod{Uid}/1\n2:memory:/kubepods/pod11111111-8d1e-4b6f-9a57-0c1d2e3f4a5b/1");
        new PodUidResolver(_targets, null, _folder.File("proc"), _time).PodOf(5).Kind.Should().Be(ProcessKind.Unknown);
    }

    /// <summary>For at most half a minute, its activity still counts for the previous pod.</summary>
    [Fact]
    public void Process_that_moves_to_another_pods_cgroup_is_found_there()
    {
        const string other = "11111111-8d1e-4b6f-9a57-0c1d2e3f4a5b";
        Process(6, $"0::/kubepods/pod{Uid}/77");
        var resolver = new PodUidResolver(_targets, null, _folder.File("proc"), _time);
        resolver.PodOf(6).PodUid.Should().Be(Uid);

        Process(6, $"0::/kubepods/pod{other}/77");

        resolver.PodOf(6).PodUid.Should().Be(Uid);
        _time.Advance(TimeSpan.FromSeconds(30));
        resolver.PodOf(6).PodUid.Should().Be(other);
    }

    private void Process(int pid, string cgroup, string? comm = null)
    {
        Directory.CreateDirectory(_folder.File($"proc/{pid}"));
        File.WriteAllText(_folder.File($"proc/{pid}/cgroup"), cgroup + "\n");
        if (comm is not null)
            File.WriteAllText(_folder.File($"proc/{pid}/comm"), comm);
    }
}
