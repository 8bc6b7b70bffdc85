using System.Net;
using System.Net.Sockets;
using Bursar.Core.Usage;

namespace Bursar.Agent.Pods;

/// <summary>
/// The latest list of pods from the operator (<c>PUT /v1/targets</c>): names, UIDs, addresses and scrape targets. The agent has no other
/// information from the API server. Empty until the first request. Safe for concurrent use.
/// </summary>
public sealed class TargetStore
{
    private volatile Snapshot _current = new(new TargetList());

    public TargetList Current => _current.List;

    /// <summary>Raised after each new list, on the thread of the request.</summary>
    public event Action? Changed;

    public void Replace(TargetList list)
    {
        _current = new Snapshot(list);
        Changed?.Invoke();
    }

    /// <summary>Returns the pod's UID, or null if the list has no pod or several of this name.</summary>
    public string? FindUid(string ns, string name) =>
        _current.ByName.TryGetValue((ns, name), out var pods) && pods.Count == 1 ? pods[0].Uid : null;

    public TargetPod? Find(string uid) => _current.ByUid.TryGetValue(uid, out var pod) ? pod : null;

    /// <summary>Returns every pod with this address. It identifies a pod only if there is exactly one.</summary>
    public IReadOnlyList<TargetPod> FindByAddress(IPAddress address) =>
        _current.ByAddress.TryGetValue(Plain(address), out var pods) ? pods : [];

    /// <summary>Converts an IPv4-mapped IPv6 address to IPv4 and removes an IPv6 scope.</summary>
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
