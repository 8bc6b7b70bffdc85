using Google.Protobuf;

namespace Bursar.Operator.Scaling.External;

/// <summary>What stands behind a method: takes the call's one message, replies once (unary) or any number of times (server streaming).</summary>
/// <exception cref="GrpcException">Ends the call with its status.</exception>
/// <exception cref="InvalidProtocolBufferException">The message is none of this method's.</exception>
internal delegate Task GrpcMethod(byte[] request, Func<IMessage, Task> reply, CancellationToken cancellationToken);
