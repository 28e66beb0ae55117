//! Which functions of the module API this server has.

use super::raw;

macro_rules! absent {
    ($($name:ident),* $(,)?) => {{
        let mut absent = Vec::new();
        $(
            // SAFETY: written once in OnLoad, before this is called; only read.
            if unsafe { raw::$name }.is_none() {
                absent.push(stringify!($name));
            }
        )*
        absent
    }};
}

/// The names of required functions that this server lacks; empty on every supported server.
///
/// Whatever is used through `api!` must stand here: a missing function then is an error at load, not an abort later.
pub fn missing() -> Vec<&'static str> {
    absent![
        RedisModule_ACLCheckKeyPermissions,
        RedisModule_AvoidReplicaTraffic,
        RedisModule_BlockClient,
        RedisModule_Call,
        RedisModule_CallReplyArrayElement,
        RedisModule_CallReplyInteger,
        RedisModule_CallReplyLength,
        RedisModule_CallReplyStringPtr,
        RedisModule_CallReplyType,
        RedisModule_CloseKey,
        RedisModule_CommandFilterArgGet,
        RedisModule_CommandFilterArgsCount,
        RedisModule_CreateCommand,
        RedisModule_CreateString,
        RedisModule_CreateSubcommand,
        RedisModule_EventLoopAddOneShot,
        RedisModule_FreeCallReply,
        RedisModule_FreeModuleUser,
        RedisModule_FreeString,
        RedisModule_GetAbsExpire,
        RedisModule_GetBlockedClientPrivateData,
        RedisModule_GetClientId,
        RedisModule_GetClientInfoById,
        RedisModule_GetCommand,
        RedisModule_GetContextFlags,
        RedisModule_GetCurrentUserName,
        RedisModule_GetModuleUserFromUserName,
        RedisModule_GetSelectedDb,
        RedisModule_GetUsedMemoryRatio,
        RedisModule_InfoAddFieldCString,
        RedisModule_InfoAddFieldDouble,
        RedisModule_InfoAddFieldLongLong,
        RedisModule_InfoAddSection,
        RedisModule_IsKeysPositionRequest,
        RedisModule_KeyAtPosWithFlags,
        RedisModule_KeyType,
        RedisModule_LoadConfigs,
        RedisModule_Log,
        RedisModule_OpenKey,
        RedisModule_RedactClientCommandArgument,
        RedisModule_RegisterBoolConfig,
        RedisModule_RegisterCommandFilter,
        RedisModule_RegisterEnumConfig,
        RedisModule_RegisterInfoFunc,
        RedisModule_RegisterNumericConfig,
        RedisModule_RegisterStringConfig,
        RedisModule_ReplyWithArray,
        RedisModule_ReplyWithDouble,
        RedisModule_ReplyWithError,
        RedisModule_ReplyWithLongLong,
        RedisModule_ReplyWithMap,
        RedisModule_ReplyWithNull,
        RedisModule_ReplyWithSimpleString,
        RedisModule_ReplyWithStringBuffer,
        RedisModule_SelectDb,
        RedisModule_SetCommandInfo,
        RedisModule_SetModuleOptions,
        RedisModule_StringDMA,
        RedisModule_StringPtrLen,
        RedisModule_SubscribeToKeyspaceEvents,
        RedisModule_SubscribeToServerEvent,
        RedisModule_UnblockClient,
        RedisModule_UnregisterCommandFilter,
        RedisModule_ValueLength,
    ]
}
