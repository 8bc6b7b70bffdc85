using System.Net;
using System.Net.Sockets;
using Bursar.Core.Usage;

namespace Bursar.Agent.Pods;

/// <summary>
/// The pods the operator told of (<c>PUT /v1/targets</c>), the newest list whole. It is what the agent knows of the API:
/// names, UIDs, addresses and what to scrape. Empty until the operator has spoken.
/// </summary>
public sealed class TargetStore
{
    private volatile Snapshot _current = new(new TargetList());

    public TargetList Current => _current.List;

    /// <summary>Another list has come.</summary>
    public event Action? Changed;

    public void Replace(TargetList list)
    {
        _current = new Snapshot(list);
        Changed?.Invoke();
    }

    /// <summary>The pod's UID, or null when it is not in the list, or is in it twice.</summary>
    public string? FindUid(string ns, string name) =>
        _current.ByName.TryGetValue((ns, name), out var pods) && pods.Count == 1 ? pods[0].Uid : null;

    /// <summary>The pod of this UID, or null when it is not in the list.</summary>
    public TargetPod? Find(string uid) => _current.ByUid.TryGetValue(uid, out var pod) ? pod : null;

    /// <summary>Every pod that has this address; a pod can only be told by it when there is exactly one.</summary>
    public IReadOnlyList<TargetPod> FindByAddress(IPAddress address) =>
        _current.ByAddress.TryGetValue(Plain(address), out var pods) ? pods : [];

    /// <summary>An IPv4 address that came through an IPv6 socket is the IPv4 address.</summary>
    public static IPAddress Plain(IPAddress address) =>
        address.IsIPv4MappedToIPv6 ? address.MapToIPv4()
        : address.AddressFamily == AddressFamily.InterNetworkV6 && address.ScopeId != 0 ? new IPAddress(address.GetAddressBytes())
        : address;

    private sealed class Snapshot
    {
        public Snapshot(TargetList list)
        {
            List = list;
            foreach (var pod in list.Pods)
            {
                Add(ByName, (pod.Namespace, pod.Name), pod);
                ByUid[pod.Uid] = pod;
                foreach (string text in pod.Ips.Distinct())
                {
                    if (IPAddress.TryParse(text, out var address))
                        Add(ByAddress, Plain(address), pod);
                }
            }
        }

        public TargetList List { get; }

        public Dictionary<(string Namespace, string Name), List<TargetPod>> ByName { get; } = [];

        public Dictionary<string, TargetPod> ByUid { get; } = new(StringComparer.Ordinal);

        public Dictionary<IPAddress, List<TargetPod>> ByAddress { get; } = [];

        private static void Add<TKey>(Dictionary<TKey, List<TargetPod>> index, TKey key, TargetPod pod)
            where TKey : notnull
        {
            if (!index.TryGetValue(key, out var pods))
                index[key] = pods = [];
            pods.Add(pod);
        }
    }
}
