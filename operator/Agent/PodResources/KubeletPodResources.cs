using System.Net.Sockets;
using Bursar.Agent.PodResources.Wire;
using Bursar.Core.Prices;
using Grpc.Core;
using Grpc.Net.Client;

namespace Bursar.Agent.PodResources;

/// <summary>Queries the kubelet over its Unix socket (<c>v1.PodResourcesLister/List</c>).</summary>
public sealed class KubeletPodResources : IPodResources, IDisposable
{
    public const string DefaultSocket = "/var/lib/kubelet/pod-resources/kubelet.sock";

    /// <summary>The response of a node with 500 pods has about 100 KiB.</summary>
    private const int MaxAnswerBytes = 16 * 1024 * 1024;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly string _socketPath;
    private readonly TimeProvider _time;
    private readonly GrpcChannel _channel;
    private readonly PodResourcesLister.PodResourcesListerClient _client;
    private readonly GpuResources _table;

    /// <param name="socketPath">The kubelet's socket.</param>
    /// <param name="time">The clock of the deadline.</param>
    /// <param name="table">The resources and drivers that are GPUs; null for the built-in table.</param>
    public KubeletPodResources(string socketPath, TimeProvider time, GpuResources? table = null)
    {
        this._table = table ?? GpuResources.BuiltIn;
        this._socketPath = socketPath;
        this._time = time;
        // The host name is not used; each connection goes to the socket.
        _channel = GrpcChannel.ForAddress(
            "http://localhost",
            new GrpcChannelOptions
            {
                HttpHandler = new SocketsHttpHandler
                {
                    UseProxy = false,
                    AllowAutoRedirect = false,
                    UseCookies = false,
                    ActivityHeadersPropagator = null,
                    ConnectCallback = ConnectAsync,
                },
                DisposeHttpClient = true,
                MaxReceiveMessageSize = MaxAnswerBytes,
            }
        );
        _client = new(_channel);
    }

    public async Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken)
    {
        // A missing socket means no kubelet or a missing mount; the system's own error for it is misleading.
        if (!File.Exists(_socketPath))
            throw new PodResourcesException($"there is no PodResources socket at {_socketPath}");
        using var deadline = new CancellationTokenSource(Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return Flatten(await _client.ListAsync(new ListPodResourcesRequest(), cancellationToken: either.Token));
        }
        catch (RpcException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (RpcException exception) when (deadline.IsCancellationRequested)
        {
            throw new PodResourcesException($"the kubelet did not answer on {_socketPath} within {Timeout.TotalSeconds} s", exception);
        }
        catch (RpcException exception)
        {
            throw new PodResourcesException(
                $"cannot list the kubelet's pod resources on {_socketPath}: {exception.StatusCode}: {exception.Status.Detail}",
                exception
            );
        }
    }

    public void Dispose() => _channel.Dispose();

    private List<PodDevice> Flatten(ListPodResourcesResponse answer)
    {
        var list = new List<PodDevice>();
        foreach (var pod in answer.PodResources)
        {
            foreach (var container in pod.Containers)
            {
                foreach (var devices in container.Devices)
                {
                    if (!_table.IsGpu(devices.ResourceName))
                        continue;
                    foreach (string id in devices.DeviceIds)
                        list.Add(new PodDevice(pod.Namespace, pod.Name, container.Name, devices.ResourceName, id));
                }
                // A device of a ResourceClaim is named by driver, pool and device. Several pods may share a claim.
                foreach (
                    var claimed in container
                        .DynamicResources.SelectMany(claim => claim.ClaimResources)
                        .Where(claimed => _table.IsDriver(claimed.DriverName))
                )
                    list.Add(
                        new PodDevice(
                            pod.Namespace,
                            pod.Name,
                            container.Name,
                            claimed.DriverName,
                            $"{claimed.DriverName}/{claimed.PoolName}/{claimed.DeviceName}"
                        )
                    );
            }
        }
        return list;
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_socketPath), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
